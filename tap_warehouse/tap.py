"""A small Singer tap: the rows of DuckDB queries, one stream for each query.

Loaders turn what tap-bookio emits into UTC and drop the offset, so a TIMESTAMP is emitted as UTC
with its offset. Columns get Bookio's own names, which DuckDB and its loaders put in lower case.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import duckdb
from singer_sdk import Stream
from singer_sdk import typing as th
from singer_sdk.helpers.conform import TypeConformanceLevel

from bookio_api.errors import SettingsError
from bookio_singer.command import OneLineCommand
from bookio_singer.sdk import SingerTap
from tap_warehouse.columns import column_of, field_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import click

EXPECTED = "_bookio_expected"
"""The field in which target-bookio takes what the source last read."""
EXPECTED_FIELDS = ("dateFrom", "dateTo", "status")

_BLOCK_ROWS = 1000
_QUOTING_ONLY_SQL = (
    duckdb.CatalogException,
    duckdb.BinderException,
    duckdb.ParserException,
    duckdb.IOException,
)
"""The errors of DuckDB whose text quotes the query or the file, never a row."""


class Query(Stream):
    """The rows of one query. Full table each time: target-bookio knows what is done already."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # the columns' types are the schema

    def __init__(self, tap: SingerTap, name: str, query: str) -> None:
        """Describe the query's columns; ``SettingsError`` if it cannot be run."""
        with _warehouse(tap.config["filepath"], name) as connection:
            rows = connection.sql(query)
            if rows is None:
                msg = f"{name}: its query returns no rows: write a SELECT in queries"
                raise SettingsError(msg)
            names, kinds = rows.columns, rows.types
        naive_is_utc = tap.config["naive_timestamps"] == "utc"
        self._columns = [column_of(kind, naive_is_utc=naive_is_utc) for kind in kinds]
        self._names = list(map(field_named, names))
        self._expected = _expected_of(name, names, tap.config.get("expected_columns") or {})
        values = ", ".join(column.sql.format(f"#{n}") for n, column in enumerate(self._columns, 1))
        self._sql = f"SELECT {values} FROM ({query.strip().rstrip(';')}\n)"
        super().__init__(tap, self._json_schema(), name)

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:  # noqa: ARG002
        """Yield the rows as objects."""
        with _warehouse(self.config["filepath"], self.name) as connection:
            rows = connection.execute(self._sql)
            while block := rows.fetchmany(_BLOCK_ROWS):
                yield from map(self._record, block)

    def _record(self, row: tuple[Any, ...]) -> dict[str, Any]:
        record: dict[str, Any] = {}
        expected: dict[str, Any] = {}
        for index, (value, column) in enumerate(zip(row, self._columns, strict=True)):
            emitted = json.loads(value) if column.is_json and value is not None else value
            if field := self._expected.get(index):
                expected[field] = emitted
            else:
                record[self._names[index]] = emitted
        return {**record, EXPECTED: expected} if self._expected else record

    def _json_schema(self) -> dict[str, Any]:
        own: dict[str, Any] = {}
        expected: dict[str, Any] = {}
        for index, column in enumerate(self._columns):
            field = self._expected.get(index)
            (expected if field else own)[field or self._names[index]] = column.schema
        if expected:
            own[EXPECTED] = {"type": ["object", "null"], "properties": expected}
        return {"type": "object", "properties": own}


class TapWarehouse(SingerTap):
    """Rows of a DuckDB file, as streams for target-bookio."""

    name = "tap-warehouse"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property(
            "filepath", th.StringType, required=True, title="File", description="The DuckDB file."
        ),
        th.Property(
            "queries",
            th.ObjectType(additional_properties=th.StringType),
            required=True,
            title="Queries",
            description="A SELECT for each stream, by the stream's name.",
        ),
        th.Property(
            "naive_timestamps",
            th.StringType,
            default="utc",
            allowed_values=["utc", "facility"],
            title="Naive timestamps",
            description=(
                "What a TIMESTAMP without time zone holds: UTC, as Singer loaders write it, or "
                "the wall time of the record's facility."
            ),
        ),
        th.Property(
            "expected_columns",
            th.ObjectType(additional_properties=th.StringType),
            title="Expected columns",
            description=(
                "The columns that hold term and status as the warehouse last read them from "
                'Bookio, by field: {"dateFrom": "loaded_from", "dateTo": "loaded_to", "status": '
                '"loaded_status"}. They are sent as _bookio_expected, and target-bookio reports a '
                "conflict where Bookio has changed since, so a stale warehouse reverts nobody. "
                "Queries that return none of these columns are sent as they are."
            ),
        ),
    ).to_dict()

    def discover_streams(self) -> list[Stream]:
        """Return a stream for each query."""
        return [Query(self, name, query) for name, query in self.config["queries"].items()]

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command line, whose every failure is one line."""
        return OneLineCommand.like(super().get_singer_command(), cls.logger)


def _expected_of(stream: str, names: list[str], wanted: Mapping[str, str]) -> dict[int, str]:
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
    indexes = {name.lower(): index for index, name in enumerate(names)}
    found = {indexes[c.lower()]: field for field, c in wanted.items() if c.lower() in indexes}
    missing = [column for column in wanted.values() if column.lower() not in indexes]
    if found and missing:
        msg = f"expected_columns: the query of {stream} does not return {', '.join(missing)}"
        raise SettingsError(msg)
    return found


@contextmanager
def _warehouse(path: str, stream: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the file for reading; an error of DuckDB is one line."""
    try:
        with duckdb.connect(path, read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
    except duckdb.Error as error:
        if isinstance(error, _QUOTING_ONLY_SQL):
            said = str(error).partition("\n")[0]
        else:
            said = f"{type(error).__name__}; run the query in DuckDB to see the row"
        msg = f"{stream}: {said} (file {path}): correct filepath or queries of tap-warehouse"
        raise SettingsError(msg) from None
