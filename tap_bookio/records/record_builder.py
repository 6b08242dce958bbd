"""Converts rows into records in one walk: types, time zone and privacy together.

Rows of one list look alike, so a page is walked column by column: what must be done is decided
once for the *kinds* of a column, which are the types of its values, and most columns need nothing
at all. In the others the field's rule converts the values of each type together.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING, Any

from tap_bookio.records.columns import Plan
from tap_bookio.records.field_rules import UnknownField

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bookio_api.localtime import OffsetClock
    from tap_bookio.records.columns import FieldRule, Kinds
    from tap_bookio.records.field_rules import Policy

Row = dict[str, Any]

HOW_TO_GET_A_COLUMN = (
    "is not in the schema, so it is emitted but most loaders give it no column; to get one, list "
    "it with its type in the catalog (with Meltano: in the extra `schema` of tap-bookio)"
)


class RecordBuilder:
    """Makes records of the objects in one place of a schema. Used by one thread at a time."""

    _MAX_REMEMBERED, _MAX_NAME_LENGTH = 2_000, 100

    def __init__(self, path: str, fields: Mapping[str, FieldRule], policy: Policy) -> None:
        """Take the rules of the known fields; ``path`` is the object's path with a final dot."""
        self._path = path
        self._fields = fields
        self._policy = policy
        self._plans: dict[tuple[str, Kinds], Plan] = {}

    def records(self, objects: list[Row], clock: OffsetClock) -> list[Row]:
        """Return what is emitted for objects whose wall times are of the clock's zone.

        The objects are not changed, because the scan compares them.
        """
        records = [row.copy() for row in objects]
        for names, table in _tables(records):
            values = list(chain.from_iterable(map(dict.values, table)))
            for place, name in enumerate(names):
                self._emit_column(name, values[place :: len(names)], table, clock)
        return records

    def _emit_column(
        self, name: str, column: list[Any], table: list[Row], clock: OffsetClock
    ) -> None:
        """Put what is emitted for the values of a column into the records of its table."""
        kinds = frozenset(map(type, column))
        plan = self._plans.get((name, kinds)) or self._plan(name, kinds)
        if plan.is_omitted:
            for record in table:
                del record[name]
        elif plan.converters:
            emitted = plan.emitted(column, clock)
            if emitted is not column:
                for record, value in zip(table, emitted, strict=True):
                    record[name] = value

    def _plan(self, name: str, kinds: Kinds) -> Plan:
        """Return, and remember, what is done with columns of this name and these kinds."""
        if name not in self._fields:
            self._warn_of_unknown(name)
        plan = Plan.of(self._rule(name), kinds)
        # The server chooses the names, so the cache is limited.
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


def _tables(records: list[Row]) -> Iterable[tuple[Sequence[str], list[Row]]]:
    """Group records by their names, in order."""
    # On most pages all have the same ones.
    names = list(records[0]) if records else []
    if all(list(record) == names for record in records):
        return [(names, records)]
    alike: defaultdict[tuple[str, ...], list[Row]] = defaultdict(list)
    for record in records:
        alike[tuple(record)].append(record)
    return alike.items()
