"""What becomes of the values of one field: types, time zone and privacy, decided together.

For a Python type, a rule names the `Step` that is enough for every value of it, so that the walk
over rows (record_builder.py) does no more than that. Where no quick step is enough, the rule gives
a function that converts a value. There is a class for each case, and compiler.py chooses:

- `PersonalField`: omitted, or pseudonymised;
- `DatetimeField`: emitted as RFC 3339, or null;
- `TypedField`: any other that a schema describes;
- `UnknownField`: in no schema, so it is emitted as it came, unless it could be personal.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tap_bookio.records.coercions import COERCIONS, MAX_INT64, MIN_INT64, to_text
from tap_bookio.records.containers import (
    MAX_LEVELS,
    Container,
    is_deeper,
    is_like_datetime,
    is_plain,
)
from tap_bookio.records.privacy import PersonalData

if TYPE_CHECKING:
    from bookio_api.localtime import OffsetClock
    from tap_bookio.records.field_warnings import FieldWarnings
    from tap_bookio.records.privacy import Pseudonyms

Row = dict[str, Any]
Convert = Callable[[Any, "OffsetClock"], Any]
"""Takes a value and the clock of its facility, and returns the value to emit."""

_KINDS: dict[type, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    dict: "object",
    list: "array",
}


class Step(Enum):
    """The least that must be done with every value of one type in one field."""

    KEEP = auto()
    DROP = auto()
    DATETIME = auto()
    """A text where a datetime is expected."""
    TEXT = auto()
    """A text of which nothing is known: it may be a datetime."""
    INTEGER = auto()
    """A number that stays as it is within int64."""
    CONVERT = auto()
    """Anything else: `FieldRule.converter` looks at each value."""


class Policy(NamedTuple):
    """What applies to all fields of a stream."""

    personal_data: PersonalData
    pseudonyms: Pseudonyms | None
    """Set if personal data is pseudonymised."""
    warnings: FieldWarnings

    @property
    def is_private(self) -> bool:
        """Whether nothing may pass that could be personal."""
        return self.personal_data is not PersonalData.KEEP


class FieldRule(Protocol):
    """Decides about the values of one field."""

    def step(self, kind: type) -> Step:
        """Return the step that is enough for values of this type."""

    def converter(self, kind: type) -> Convert:
        """Return what converts values of this type; it is right for every one of them."""


class ObjectRule(Protocol):
    """Makes records of the objects in one place of a schema."""

    def records(self, objects: list[Row], clock: OffsetClock) -> list[Row]:
        """Return what is emitted for objects; those given stay as they are."""


class _Field:
    """What all rules know: where their field is, and how to warn about it."""

    def __init__(self, path: str, policy: Policy) -> None:
        """Make a rule for the field at ``path``, whose names are joined by dots."""
        self._path = path
        self._policy = policy

    def _warn(self, problem: str) -> None:
        self._policy.warnings.warn(self._path, problem)

    def _bounded(self, convert: Convert) -> Convert:
        """Return a converter of containers that leaves out those nested too deeply."""

        def bounded(value: Container, clock: OffsetClock) -> Any:  # noqa: ANN401 - as convert
            if not is_deeper(value, MAX_LEVELS):
                return convert(value, clock)
            self._warn("is nested too deeply in at least one row; left empty")
            return None

        return bounded


class PersonalField(_Field):
    """A field that a schema calls personal, while ``personal_data`` is not ``keep``."""

    def __init__(self, path: str, personal: str, policy: Policy, *, takes_text: bool) -> None:
        """Take the kind of personal data; a field that takes no text cannot take a pseudonym."""
        super().__init__(path, policy)
        self._personal = personal
        self._pseudonyms = policy.pseudonyms if takes_text else None

    def step(self, kind: type) -> Step:  # noqa: ARG002 - it is personal, whatever its type
        """Omit or convert."""
        return Step.CONVERT if self._policy.pseudonyms else Step.DROP

    def converter(self, kind: type) -> Convert:  # noqa: ARG002
        """Return what makes pseudonyms."""
        return self._converted

    def _converted(self, value: object, _: OffsetClock) -> object:
        return self._pseudonyms.of(self._personal, value) if self._pseudonyms else None


class DatetimeField(_Field):
    """A field whose schema says ``"format": "date-time"``."""

    def step(self, kind: type) -> Step:
        """Only a text can be a datetime."""
        if kind is str:
            return Step.DATETIME
        return Step.KEEP if kind is type(None) else Step.CONVERT

    def converter(self, kind: type) -> Convert:  # noqa: ARG002
        """Return what makes RFC 3339, or null where that is impossible."""
        return self._converted

    def _converted(self, value: object, clock: OffsetClock) -> str | None:
        moment = clock.rfc3339(value) if isinstance(value, str) else None
        if moment is None:
            self._warn("is not a possible datetime in at least one row; left empty")
        return moment


class TypedField(_Field):
    """A field that a schema describes, and that is neither personal nor a datetime."""

    def __init__(
        self,
        path: str,
        kinds: tuple[str, ...],
        policy: Policy,
        *,
        sent_as: str | None,
        fields: ObjectRule | None,
        items: FieldRule | None,
    ) -> None:
        """Take its JSON types and the rules for what it contains.

        ``sent_as`` is the type that Bookio is known to send instead: no reason for a warning.
        """
        super().__init__(path, policy)
        self._kinds = kinds
        self._sent_as = sent_as
        self._fields = fields
        self._items = items

    def step(self, kind: type) -> Step:
        """Return the step for values of a type, case by case."""
        # 1. Any field may be null.
        if kind is type(None):
            return Step.KEEP
        # 2. Values of an unexpected type are converted, and containers for what they contain.
        if kind in {dict, list} or not self._is_expected(kind):
            return Step.CONVERT
        # 3. Values of the expected type stay, though integers only within int64.
        return Step.INTEGER if kind is int else Step.KEEP

    def converter(self, kind: type) -> Convert:
        """Return what makes the best of values of a type; what fits in no way becomes null."""
        if kind is dict and self._fields is not None:
            return self._bounded(partial(_record, self._fields))
        if kind is list and self._items is not None:
            return self._bounded(partial(_applied_to_all, self._items))
        coerced = self._coercion(kind)
        return self._bounded(coerced) if kind in {dict, list} else coerced

    def _coercion(self, kind: type) -> Convert:
        """Return what makes a value the first of the expected types that takes it, or null."""
        coercions = [COERCIONS[name] for name in self._kinds if name in COERCIONS]
        if kind in {dict, list}:
            # Only as JSON text, and nobody knows what it contains, so not with privacy.
            is_possible = "string" in self._kinds and not self._policy.is_private
            coercions = [to_text] if is_possible else []
        what = "is out of bounds for" if self._is_expected(kind) else "is not of"
        problem = f"{what} the type {' or '.join(self._kinds)} in at least one row"
        left_empty, converted = f"{problem}; left empty", f"{problem}; converted"
        is_silent = _KINDS[kind] == self._sent_as

        def coerced(value: object, _: OffsetClock) -> object:
            nonlocal is_silent
            for coerce in coercions:
                if (fitting := coerce(value)) is not None:
                    if not is_silent:
                        self._warn(converted)
                        is_silent = True  # every row of a list may need it
                    return fitting
            self._warn(left_empty)
            return None

        return coerced

    def _is_expected(self, kind: type) -> bool:
        return _KINDS[kind] in self._kinds or (kind is int and "number" in self._kinds)


class UnknownField(_Field):
    """A field that is in no schema, or whose schema allows any value."""

    def step(self, kind: type) -> Step:
        """Look into texts, containers and integers; the rest needs nothing."""
        if self._policy.is_private:
            return Step.DROP  # it may contain anything
        if kind is str:
            return Step.TEXT
        if kind is int:
            return Step.INTEGER
        return Step.CONVERT if kind in {dict, list} else Step.KEEP

    def converter(self, kind: type) -> Convert:
        """Return what puts offsets on datetimes, however deep, and keeps the rest."""
        if kind not in {dict, list}:
            return self._converted
        convert = self._bounded(self._converted)
        return lambda value, clock: value if is_plain(value) else convert(value, clock)

    def _converted(self, value: Any, clock: OffsetClock) -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(value, str):
            return (is_like_datetime(value) and clock.rfc3339(value)) or value
        if isinstance(value, dict):
            return {name: self._converted(item, clock) for name, item in value.items()}
        if isinstance(value, list):
            return [self._converted(item, clock) for item in value]
        if type(value) is int and not MIN_INT64 <= value <= MAX_INT64:
            self._warn("is beyond int64 in at least one row; converted to text")
            return to_text(value)
        return value


def _record(rule: ObjectRule, value: Row, clock: OffsetClock) -> Row:
    return rule.records([value], clock)[0]


def _applied_to_all(rule: FieldRule, items: list[Any], clock: OffsetClock) -> list[Any]:
    return [applied(rule, type(item))(item, clock) for item in items]


def applied(rule: FieldRule, kind: type) -> Convert:
    """Return what a rule makes of any single value of this type."""
    match rule.step(kind):
        case Step.KEEP:
            return _kept
        case Step.DROP:
            return _emptied
        case Step.INTEGER:
            return partial(_within_int64, rule.converter(kind))
        case _:
            return rule.converter(kind)


def _kept(value: object, _: OffsetClock) -> object:
    return value


def _emptied(_value: object, _clock: OffsetClock) -> None:
    return None


def _within_int64(convert: Convert, value: int, clock: OffsetClock) -> Any:  # noqa: ANN401
    return value if MIN_INT64 <= value <= MAX_INT64 else convert(value, clock)
