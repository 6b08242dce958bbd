"""A stream of the rows of one query."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from singer_sdk.helpers.conform import TypeConformanceLevel

from bookio_api.errors import SettingsError
from bookio_singer.expected import EXPECTED, EXPECTED_FIELDS
from bookio_singer.sdk import SingerStream
from tap_warehouse.database import WarehouseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bookio_singer.sdk import SingerTap
    from tap_warehouse.columns import Column
    from tap_warehouse.database import Database

FACILITY = "facilityid"
"""The column that ``facility_ids`` limits, without case and underscores."""


class Query(SingerStream):
    """The rows of one query. Always a full table: target-bookio skips what is done."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # the schema is made from the columns' types

    def __init__(self, tap: SingerTap, name: str, query: str, database: Database) -> None:
        """Describe the query's columns; ``BookioError`` if it cannot be run."""
        self._database = database
        query = query.strip().rstrip(";")
        try:
            self._columns = database.columns(query)
        except WarehouseError as error:
            msg = f"{name}: {error}"
            raise WarehouseError(msg) from None
        self._expected = _expected_of(name, self._columns, tap.config.get("expected_columns") or {})
        facilities = tap.config.get("facility_ids")
        self._facility = None if facilities is None else _facility_of(name, self._columns)
        self._sql = _select(query, self._columns, self._facility, facilities or ())
        super().__init__(tap, self._json_schema(), name)

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:  # noqa: ARG002
        """Yield the rows as objects."""
        nobodys = 0
        try:
            for row in self._database.rows(self._sql):
                if self._facility is not None and row[self._facility] is None:
                    nobodys += 1
                else:
                    yield self._record(row)
        except WarehouseError as error:
            msg = f"{self.name}: {error}"
            raise WarehouseError(msg) from None
        if nobodys:
            self.logger.warning(
                "%s: %d rows have no facilityId and were left out, for facility_ids is set",
                self.name,
                nobodys,
            )

    def _record(self, row: tuple[Any, ...]) -> dict[str, Any]:
        record: dict[str, Any] = {}
        expected: dict[str, Any] = {}
        for index, (value, column) in enumerate(zip(row, self._columns, strict=True)):
            emitted = json.loads(value) if column.is_json and value is not None else value
            if field := self._expected.get(index):
                expected[field] = emitted
            else:
                record[column.field] = emitted
        return {**record, EXPECTED: expected} if self._expected else record

    def _json_schema(self) -> dict[str, Any]:
        own: dict[str, Any] = {}
        expected: dict[str, Any] = {}
        for index, column in enumerate(self._columns):
            field = self._expected.get(index)
            (expected if field else own)[field or column.field] = column.schema
        if expected:
            own[EXPECTED] = {"type": ["object", "null"], "properties": expected}
        return {"type": "object", "properties": own}


def _select(
    query: str, columns: Sequence[Column], facility: int | None, facility_ids: Iterable[int]
) -> str:
    """Return SQL for the columns as they are emitted, by number, for names may occur twice.

    Rows without a facility are included, to be counted.
    """
    numbers = [f"c{number}" for number in range(len(columns))]
    values = ", ".join(c.sql.format(n) for n, c in zip(numbers, columns, strict=True))
    select = f"SELECT {values} FROM ({query}\n) AS q({', '.join(numbers)})"
    if facility is None:
        return select
    wanted = ", ".join(map(str, facility_ids)) or "NULL"
    column = numbers[facility]
    return f"{select} WHERE {column}::BIGINT IN ({wanted}) OR {column} IS NULL"


def _facility_of(stream: str, columns: Sequence[Column]) -> int:
    """Return the index of the column with the facility."""
    for index, column in enumerate(columns):
        if column.name.lower().replace("_", "") == FACILITY:
            return index
    msg = f"facility_ids: the query of {stream} does not return facilityId; add it to the SELECT"
    raise SettingsError(msg)


def _expected_of(
    stream: str, columns: Sequence[Column], wanted: Mapping[str, str]
) -> dict[int, str]:
    """Return the fields of ``expected_columns``, by the index of their column.

    Raises:
        SettingsError: a field cannot be expected, or a query has only some of the columns.
    """
    if unknown := wanted.keys() - set(EXPECTED_FIELDS):
        msg = (
            f"expected_columns: {', '.join(sorted(unknown))} cannot be expected, only "
            f"{', '.join(EXPECTED_FIELDS)}"
        )
        raise SettingsError(msg)
    indexes = {column.name.lower(): index for index, column in enumerate(columns)}
    found = {indexes[c.lower()]: field for field, c in wanted.items() if c.lower() in indexes}
    missing = [column for column in wanted.values() if column.lower() not in indexes]
    if found and missing:
        msg = f"expected_columns: the query of {stream} does not return {', '.join(missing)}"
        raise SettingsError(msg)
    return found
