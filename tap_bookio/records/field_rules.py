"""Converts the values of one field: types, time zone and privacy, decided together.

There is a rule (columns.py) for each case, and compiler.py chooses:

- `PersonalField`: omitted, or pseudonymised;
- `DatetimeField`: emitted as RFC 3339, or null;
- `TypedField`: any other that a schema describes;
- `UnknownField`: in no schema, so it is emitted as it came, unless it could be personal.
"""

from __future__ import annotations

from functools import partial
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from bookio_singer.coercions import (
    COERCIONS,
    JSON_TYPES,
    MAX_INT64,
    MIN_INT64,
    to_json,
    to_text,
)
from bookio_singer.nesting import MAX_LEVELS, Container, is_deeper
from tap_bookio.records.columns import Plan
from tap_bookio.records.containers import MIN_DATETIME_LENGTH, is_like_datetime, is_plain
from tap_bookio.records.privacy import PersonalData

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bookio_api.localtime import OffsetClock
    from tap_bookio.records.columns import Convert, FieldRule
    from tap_bookio.records.field_warnings import FieldWarnings
    from tap_bookio.records.privacy import Pseudonyms

Row = dict[str, Any]


class Policy(NamedTuple):
    """Settings that apply to all fields of a stream."""

    personal_data: PersonalData
    pseudonyms: Pseudonyms | None
    """Set if personal data is pseudonymised."""
    warnings: FieldWarnings

    @property
    def is_private(self) -> bool:
        """Whether to omit everything that could be personal."""
        return self.personal_data is not PersonalData.KEEP


class ObjectRule(Protocol):
    """Makes records of the objects in one place of a schema."""

    def records(self, objects: list[Row], clock: OffsetClock) -> list[Row]:
        """Return the emitted objects; the objects themselves are not changed."""


class _Field:
    """Base of all rules: the field's path, and warnings about it."""

    def __init__(self, path: str, policy: Policy) -> None:
        """Make a rule for the field at ``path``, whose names are joined by dots."""
        self._path = path
        self._policy = policy

    def _warn(self, problem: str) -> None:
        self._policy.warnings.warn(self._path, problem)

    def _bounded(self, convert: Convert) -> Convert:
        """Return a converter of containers that leaves out those nested too deeply."""

        def bounded(values: list[Container], clock: OffsetClock) -> list[Any]:
            if not is_deeper(values, MAX_LEVELS):
                return convert(values, clock)
            self._warn("is nested too deeply in at least one row; left empty")
            return [
                None if is_deeper([value], MAX_LEVELS) else convert([value], clock)[0]
                for value in values
            ]

        return bounded


class PersonalField(_Field):
    """A field that a schema calls personal, while ``personal_data`` is not ``keep``."""

    def __init__(self, path: str, personal: str, policy: Policy, *, takes_text: bool) -> None:
        """Take the kind of personal data; only a text field can have a pseudonym."""
        super().__init__(path, policy)
        self._personal = personal
        self._pseudonyms = policy.pseudonyms if takes_text else None

    @property
    def is_omitted(self) -> bool:
        """Omit it unless pseudonyms are made."""
        return self._policy.pseudonyms is None

    def converter(self, kind: type) -> Convert | None:
        """Return what makes pseudonyms, whatever the type."""
        return None if kind is NoneType else self._converted

    def _converted(self, values: list[Any], _: OffsetClock) -> list[object]:
        if self._pseudonyms is None:
            return [None] * len(values)
        return [self._pseudonyms.of(self._personal, value) for value in values]


class DatetimeField(_Field):
    """A field whose schema says ``"format": "date-time"``."""

    is_omitted = False

    def converter(self, kind: type) -> Convert | None:
        """Return the function that converts to RFC 3339, or to null if that is impossible."""
        if kind is NoneType:
            return None
        return self._moments if kind is str else self._emptied

    def _moments(self, texts: list[str], clock: OffsetClock) -> list[str | None]:
        moments = clock.rfc3339_all(texts)
        return moments if all(moments) else self._emptied(moments, clock)

    def _emptied(self, values: list[Any], _: OffsetClock) -> list[str | None]:
        """Leave empty what is not a text."""
        self._warn("is not a possible datetime in at least one row; left empty")
        return [value if isinstance(value, str) else None for value in values]


class TypedField(_Field):
    """A described field that is neither personal nor a datetime."""

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

    is_omitted = False

    def converter(self, kind: type) -> Convert | None:
        """Return the best conversion for values of a type; null if there is none."""
        # 1. Any field may be null.
        if kind is NoneType:
            return None
        # 2. Containers are converted for what they contain.
        if kind is dict and self._fields is not None:
            return self._bounded(self._fields.records)
        if kind is list and self._items is not None:
            return self._bounded(partial(_all_items, self._items))
        if kind in {dict, list}:
            return self._bounded(self._coercion(kind))
        # 3. Values of the expected type stay, though integers only within int64.
        if self._is_expected(kind):
            return _unless_int64(self._coercion(kind)) if kind is int else None
        # 4. Others become the expected type.
        return self._coercion(kind)

    def _coercion(self, kind: type) -> Convert:
        """Return what makes values the first of the expected types that takes them, or null."""
        coerce_all = self._coerce_all(kind)
        what = "is out of bounds for" if self._is_expected(kind) else "is not of"
        problem = f"{what} the type {' or '.join(self._kinds)} in at least one row"
        is_silent = JSON_TYPES[kind] == self._sent_as

        def coerced(values: list[Any], _: OffsetClock) -> list[Any]:
            emitted = coerce_all(values)
            kinds = set(map(type, emitted))
            if kinds != {NoneType} and not is_silent:
                self._warn(f"{problem}; converted")
            if NoneType in kinds:
                self._warn(f"{problem}; left empty")
            return emitted

        return coerced

    def _coerce_all(self, kind: type) -> Callable[[list[Any]], list[Any]]:
        if kind not in {dict, list}:
            coercions = [COERCIONS[name] for name in self._kinds if name in COERCIONS]
            return lambda values: [_first_fitting(coercions, value) for value in values]
        # Only as JSON text, whose content is unknown, so not with privacy.
        if "string" in self._kinds and not self._policy.is_private:
            return to_json
        return lambda values: [None] * len(values)

    def _is_expected(self, kind: type) -> bool:
        return JSON_TYPES[kind] in self._kinds or (kind is int and "number" in self._kinds)


class UnknownField(_Field):
    """A field that is in no schema, or whose schema allows any value."""

    @property
    def is_omitted(self) -> bool:
        """Omit with privacy whatever it contains."""
        return self._policy.is_private

    def converter(self, kind: type) -> Convert | None:
        """Return the function that adds offsets to datetimes at any depth."""
        if kind is str:
            return self._texts
        if kind is int:
            return _unless_int64(self._converted)
        return self._containers if kind in {dict, list} else None

    def _texts(self, texts: list[str], clock: OffsetClock) -> list[Any]:
        if max(map(len, texts)) < MIN_DATETIME_LENGTH:
            return texts
        are_like_datetimes = set(map(is_like_datetime, texts))
        if True not in are_like_datetimes:
            return texts
        if False in are_like_datetimes:
            return self._converted(texts, clock)
        moments = clock.rfc3339_all(texts)
        if all(moments):
            return moments
        return [moment or text for moment, text in zip(moments, texts, strict=True)]

    def _containers(self, containers: list[Container], clock: OffsetClock) -> list[Any]:
        if all(map(is_plain, containers)):
            return containers
        return self._bounded(self._converted)(containers, clock)

    def _converted(self, values: list[Any], clock: OffsetClock) -> list[Any]:
        return [self._inside(value, clock) for value in values]

    def _inside(self, value: Any, clock: OffsetClock) -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(value, str):
            return (is_like_datetime(value) and clock.rfc3339(value)) or value
        if isinstance(value, dict):
            return {name: self._inside(item, clock) for name, item in value.items()}
        if isinstance(value, list):
            return [self._inside(item, clock) for item in value]
        if type(value) is int and not MIN_INT64 <= value <= MAX_INT64:
            self._warn("is beyond int64 in at least one row; converted to text")
            return to_text(value)
        return value


def _all_items(rule: FieldRule, lists: list[list[Any]], clock: OffsetClock) -> list[list[Any]]:
    """Return lists with their items converted; what would be omitted elsewhere is null in them."""
    if rule.is_omitted:
        return [[None] * len(items) for items in lists]
    emitted = []
    for items in lists:
        kinds = frozenset(map(type, items))
        emitted.append(Plan.of(rule, kinds).emitted(items, clock))
    return emitted


def _unless_int64(convert: Convert) -> Convert:
    """Return a converter of those integers that are beyond int64."""

    def converted(numbers: list[int], clock: OffsetClock) -> list[Any]:
        if min(numbers) >= MIN_INT64 and max(numbers) <= MAX_INT64:
            return numbers
        return [
            number if MIN_INT64 <= number <= MAX_INT64 else convert([number], clock)[0]
            for number in numbers
        ]

    return converted


def _first_fitting(coercions: Iterable[Callable[[Any], object]], value: object) -> object:
    """Return what the first coercion that takes a value makes of it, or null."""
    fitting = (coerce(value) for coerce in coercions)
    return next((made for made in fitting if made is not None), None)
