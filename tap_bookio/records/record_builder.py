"""From rows to records in one walk: types, time zone and privacy together.

Rows of one list look alike, so a page is walked column by column: what must be done is decided
once for the *kinds* of a column, which are the types of its values, and most columns need nothing
at all. Whatever a column step cannot do at once is left to the field's rule, value by value.
"""

from __future__ import annotations

from collections import defaultdict
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_bookio.records.coercions import are_int64
from tap_bookio.records.containers import is_like_datetime
from tap_bookio.records.field_rules import Step, UnknownField, applied

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bookio_api.localtime import OffsetClock
    from tap_bookio.records.field_rules import Convert, FieldRule, Policy

Row = dict[str, Any]
Kinds = frozenset[type]

HOW_TO_GET_A_COLUMN = (
    "is not in the schema, so it is emitted but most loaders give it no column; to get one, list "
    "it with its type in the catalog (with Meltano: in the extra `schema` of tap-bookio)"
)

_AT_ONCE: dict[Step, Kinds] = {
    Step.DATETIME: frozenset({str, NoneType}),
    Step.TEXT: frozenset({str, NoneType}),
    Step.INTEGER: frozenset({int, float, NoneType}),
}
"""Of which types the values of a column may be for a step to look at all of them together."""


class Plan(NamedTuple):
    """What is done with a column."""

    step: Step
    """The least that is enough for all its values."""
    singly: dict[type, Convert]
    """What is right for a value of each type, where the step is not enough."""


class RecordBuilder:
    """Makes records of the objects in one place of a schema. Used by one thread at a time."""

    _MAX_REMEMBERED, _MAX_NAME_LENGTH = 2_000, 100

    def __init__(self, path: str, fields: Mapping[str, FieldRule], policy: Policy) -> None:
        """Take the rules of the known fields; ``path`` is that of the object and ends in a dot."""
        self._path = path
        self._fields = fields
        self._policy = policy
        self._plans: dict[tuple[str, Kinds], Plan] = {}

    def records(self, objects: list[Row], clock: OffsetClock) -> list[Row]:
        """Return what is emitted for objects whose wall times are of the clock's zone.

        Those given stay as they are, for the scan compares them.
        """
        records = [row.copy() for row in objects]
        alike: defaultdict[tuple[str, ...], list[Row]] = defaultdict(list)
        for record in records:
            alike[tuple(record)].append(record)
        for names, table in alike.items():
            columns = list(zip(*[record.values() for record in table], strict=True))
            for name, column in zip(names, columns, strict=True):
                self._emit_column(name, column, table, clock)
        return records

    def _emit_column(
        self, name: str, column: Sequence[Any], table: list[Row], clock: OffsetClock
    ) -> None:
        """Put what is emitted for the values of a column into the records of its table."""
        kinds = frozenset(map(type, column))
        step, singly = self._plans.get((name, kinds)) or self._plan(name, kinds)
        if step is Step.KEEP:
            return
        if step is Step.DROP:
            for record in table:
                del record[name]
            return
        emitted = _at_once(step, column, clock)
        if emitted is None:
            emitted = [singly[type(value)](value, clock) for value in column]
        if emitted is not column:
            for record, value in zip(table, emitted, strict=True):
                record[name] = value

    def _plan(self, name: str, kinds: Kinds) -> Plan:
        """Return, and remember, what is done with columns of this name and these kinds."""
        if name not in self._fields:
            self._warn_of_unknown(name)
        plan = plan_for(self._rule(name), kinds)
        # A server chooses the names, so what is remembered of them has bounds.
        if len(self._plans) >= self._MAX_REMEMBERED:
            self._plans.clear()
        if len(name) <= self._MAX_NAME_LENGTH:
            self._plans[name, kinds] = plan
        return plan

    def _rule(self, name: str) -> FieldRule:
        return self._fields.get(name) or UnknownField(self._path + name, self._policy)

    def _warn_of_unknown(self, name: str) -> None:
        if self._policy.is_private:
            problem = (
                f"is not in the schema, so personal_data={self._policy.personal_data} leaves it "
                "out; list it in the catalog if it names no person"
            )
        elif not self._path:
            problem = HOW_TO_GET_A_COLUMN
        else:
            return  # it is stored with the object that contains it
        self._policy.warnings.warn(self._path + name, problem)


def plan_for(rule: FieldRule, kinds: Kinds) -> Plan:
    """Return what a rule wants done with a column of these kinds."""
    # 1. All values need the same step, or nothing.
    # 2. They need different ones, or kinds are among them that the step does not expect.
    steps = {rule.step(kind) for kind in kinds} - {Step.KEEP}
    step = steps.pop() if steps else Step.KEEP
    if steps or not kinds <= _AT_ONCE.get(step, kinds):
        step = Step.CONVERT
    return Plan(step, {kind: applied(rule, kind) for kind in kinds})


def _at_once(step: Step, column: Sequence[Any], clock: OffsetClock) -> Sequence[Any] | None:
    """Return what is emitted for a column, or ``None`` if its values must be looked at singly.

    It is the column itself where nothing of it changes.
    """
    match step:
        case Step.INTEGER:
            return column if are_int64(column) else None
        case Step.TEXT:
            looks = {is_like_datetime(text) for text in column if text is not None}
            if True not in looks:
                return column
            if False in looks:
                return None
    if step is Step.CONVERT:
        return None
    moments = clock.rfc3339_all(column)
    return moments if moments.count(None) == column.count(None) else None
