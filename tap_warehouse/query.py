"""A stream of the rows of one query."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from singer_sdk.helpers.conform import TypeConformanceLevel

from bookio_api.errors import SettingsError
from bookio_singer.expected import EXPECTED, EXPECTED_FIELDS
from bookio_singer.nesting import MAX_LEVELS
from bookio_singer.sdk import SingerStream
from tap_warehouse.database import WarehouseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bookio_singer.sdk import SingerTap
    from tap_warehouse.columns import Column
    from tap_warehouse.database import Database

FACILITY = "facilityid"
"""The column that ``facility_ids`` filters by, in lower case and without underscores."""


class Query(SingerStream):
    """The rows of one query. All of them each time: target-bookio skips what is already done."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # the schema comes from the columns' types

    def __init__(self, tap: SingerTap, name: str, query: str, database: Database) -> None:
        """Ask the database for the query's columns. Raises ``BookioError`` if it refuses."""
        self._database = database
        query = query.strip().rstrip(";")
        try:
            self._columns = database.columns(query)
        except WarehouseError as error:
            msg = f"{name}: {error}"
            raise WarehouseError(msg) from None
        self._expected = _expected_of(name, self._columns, tap.config.get("expected_columns") or {})
        _refuse_overwriting(name, self._columns, self._expected)
        facilities = tap.config.get("facility_ids")
        self._facility = None if facilities is None else _facility_of(name, self._columns)
        self._sql = _select(query, self._columns, self._facility, facilities or ())
        # How many values of each column no record can hold; get_records counts and reports them.
        self._left_empty: Counter[str] = Counter()
        super().__init__(tap, self._json_schema(), name)

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:  # noqa: ARG002
        """Yield the rows as records."""
        without_facility = 0
        try:
            for row in self._database.rows(self._sql):
                # SQL has filtered by facility; what has none passed, only to be counted here.
                if self._facility is not None and row[self._facility] is None:
                    without_facility += 1
                else:
                    yield self._record(row)
        except WarehouseError as error:
            msg = f"{self.name}: {error}"
            raise WarehouseError(msg) from None
        if without_facility:
            self.logger.warning(
                "%s: %d rows have no facilityId and were left out, because facility_ids is set",
                self.name,
                without_facility,
            )
        for column, count in self._left_empty.items():
            self.logger.warning(
                "%s: %d values of %s were left empty, because a record cannot hold them: dates "
                "that are infinite or not in the years 1 to 9999, JSON nested more than %d levels "
                "deep, or numbers with thousands of digits; correct them or the query",
                self.name,
                count,
                column,
                MAX_LEVELS,
            )

    def _record(self, row: tuple[Any, ...]) -> dict[str, Any]:
        record: dict[str, Any] = {}
        expected: dict[str, Any] = {}
        for index, (value, column) in enumerate(zip(row, self._columns, strict=True)):
            emitted = None if value is None else self._emitted(value, column)
            if field := self._expected.get(index):
                expected[field] = emitted
            else:
                record[column.field] = emitted
        return {**record, EXPECTED: expected} if self._expected else record

    def _emitted(self, value: Any, column: Column) -> Any:  # noqa: ANN401 - of any type
        try:
            return column.value_of(value)
        except (ValueError, RecursionError):
            self._left_empty[column.name] += 1
            return None

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
    """Return SQL for the columns as they are emitted, including rows without a facility.

    The columns are numbered, because names may differ in case alone.
    """
    # The line break ends a comment at the end of the query.
    numbers = [f"c{number}" for number in range(len(columns))]
    values = ", ".join(c.sql.format(n) for n, c in zip(numbers, columns, strict=True))
    select = f"SELECT {values} FROM ({query}\n) AS q({', '.join(numbers)})"
    if facility is None:
        return select
    wanted = ", ".join(map(str, facility_ids))
    column = numbers[facility]
    return f"{select} WHERE {column}::BIGINT IN ({wanted}) OR {column} IS NULL"


def _facility_of(stream: str, columns: Sequence[Column]) -> int:
    """Return the index of the column with the facility. Raises ``SettingsError``."""
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
        SettingsError: a field cannot be expected, two have the same column, or a query has only
            some of the columns.
    """
    if unknown := wanted.keys() - set(EXPECTED_FIELDS):
        msg = (
            f"expected_columns: {', '.join(sorted(unknown))} cannot be expected, only "
            f"{', '.join(EXPECTED_FIELDS)}"
        )
        raise SettingsError(msg)
    fields: dict[str, str] = {}
    for field, column in wanted.items():
        if (other := fields.setdefault(column.lower(), field)) != field:
            msg = (
                f"expected_columns: {other} and {field} have the same column {column}; name a "
                "column for each"
            )
            raise SettingsError(msg)
    found = {
        index: fields[column.name.lower()]
        for index, column in enumerate(columns)
        if column.name.lower() in fields
    }
    # A query with none of the columns is another stream, to which the setting does not apply.
    missing = [wanted[field] for field in wanted if field not in found.values()]
    if found and missing:
        msg = f"expected_columns: the query of {stream} does not return {', '.join(missing)}"
        raise SettingsError(msg)
    return found


def _refuse_overwriting(
    stream: str, columns: Sequence[Column], expected: Mapping[int, str]
) -> None:
    """Refuse a query in which one column would overwrite another in the record.

    The names of Bookio's fields and of expected columns ignore case, others do not.
    """
    first_of: dict[tuple[bool, str], int] = {}
    for index, column in enumerate(columns):
        place = (index in expected, expected.get(index, column.field))
        first = first_of.setdefault(place, index)
        if first != index:
            msg = (
                f"{stream}: columns {first + 1} and {index + 1} of its query are both named "
                f"{column.field}; rename or remove one of them in queries"
            )
            raise WarehouseError(msg)
    if expected and (False, EXPECTED) in first_of:
        msg = (
            f"expected_columns: the query of {stream} also returns {EXPECTED}; remove one or the "
            "other"
        )
        raise SettingsError(msg)
