"""A small Singer tap: the rows of DuckDB queries, one stream for each query.

Loaders turn what tap-bookio sends into UTC and drop the offset, so a TIMESTAMP leaves as UTC and
says so. Columns leave under Bookio's own names, which DuckDB and its loaders put in lower case.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import duckdb
from singer_sdk import Stream
from singer_sdk import typing as th
from singer_sdk.helpers.conform import TypeConformanceLevel

from bookio_api.contract import OPERATIONS
from bookio_api.errors import SettingsError
from bookio_api.schemas import stream_schema, write_schema
from bookio_singer.command import OneLineCommand
from bookio_singer.sdk import SingerTap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import click

STREAMS = ("facilities", "calendars", "reservations", "blocked_times")
SCHEMAS = [
    *(stream_schema(stream) for stream in STREAMS),
    *(write_schema(operation.body) for operation in OPERATIONS.values() if operation.body),
]
FIELDS = {field.lower(): field for schema in SCHEMAS for field in schema["properties"]}

INTEGERS = {
    f"{sign}{size}" for sign in ("", "u")
    for size in ("tinyint", "smallint", "integer", "bigint", "hugeint")
}  # fmt: skip
NESTED = {"list": "array", "array": "array", "struct": "object", "map": "object"}
AS_JSON = "to_json({0})::VARCHAR"
ANYTHING = ["object", "array", "string", "number", "boolean"]
QUOTING_ONLY_SQL = (duckdb.CatalogException, duckdb.BinderException, duckdb.ParserException,
                    duckdb.IOException)  # fmt: skip
"""What other errors of DuckDB say may quote a row."""


class Query(Stream):
    """The rows of one query. Full table each time: target-bookio knows what is done already."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # the columns' types are the schema

    def __init__(self, tap: SingerTap, name: str, query: str) -> None:
        """Describe the query's columns."""
        naive_is_utc = tap.config["naive_timestamps"] == "utc"
        with warehouse(tap.config["filepath"], name) as connection:
            rows = connection.sql(query)
            if rows is None:
                msg = f"{name}: its query returns no rows: write a SELECT in queries"
                raise SettingsError(msg)
            columns = [column_of(kind, naive_is_utc=naive_is_utc) for kind in rows.types]
            self._names = [FIELDS.get(column.lower(), column) for column in rows.columns]
        values = ", ".join(sql.format(f"#{n}") for n, (_, sql) in enumerate(columns, 1))
        self._query = f"SELECT {values} FROM ({query.strip().rstrip(';')}\n)"
        self._as_json = [sql == AS_JSON for _, sql in columns]
        properties = zip(self._names, (schema for schema, _ in columns), strict=True)
        super().__init__(tap, {"type": "object", "properties": dict(properties)}, name)

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:  # noqa: ARG002
        """Yield the rows as objects."""
        with warehouse(self.config["filepath"], self.name) as connection:
            rows = connection.execute(self._query)
            while block := rows.fetchmany(1000):
                for row in block:
                    values = (
                        json.loads(value) if is_json and value is not None else value
                        for value, is_json in zip(row, self._as_json, strict=True)
                    )
                    yield dict(zip(self._names, values, strict=True))


class TapWarehouse(SingerTap):
    """Rows of a DuckDB file, as streams for target-bookio."""

    name = "tap-warehouse"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("filepath", th.StringType, required=True, description="The DuckDB file."),
        th.Property("queries", th.ObjectType(additional_properties=th.StringType), required=True,
                    description="A SELECT for each stream, by the stream's name."),
        th.Property("naive_timestamps", th.StringType, default="utc",
                    allowed_values=["utc", "facility"],
                    description="What a TIMESTAMP without time zone holds: UTC, as Singer loaders "
                    "write it, or the wall time of the record's facility."),
    ).to_dict()  # fmt: skip

    def discover_streams(self) -> list[Stream]:
        """Return a stream for each query."""
        return [Query(self, name, query) for name, query in self.config["queries"].items()]

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command line, whose every failure is one line."""
        return OneLineCommand.like(super().get_singer_command(), cls.logger)


def column_of(kind: Any, *, naive_is_utc: bool) -> tuple[dict[str, Any], str]:  # noqa: ANN401
    """Return a column's JSON Schema, and the SQL that makes of ``{0}`` what JSON can hold."""
    types, sql, more = ["string"], "{0}::VARCHAR", {}
    if str(kind) == "JSON":
        types, sql = ANYTHING, AS_JSON
    elif kind.id in NESTED:
        types, sql = [NESTED[kind.id]], AS_JSON
    elif kind.id in INTEGERS or (kind.id == "decimal" and dict(kind.children)["scale"] == 0):
        types, sql = ["integer"], "{0}::HUGEINT"
    elif kind.id == "boolean":
        types, sql = ["boolean"], "{0}"
    elif kind.id in {"float", "double", "decimal"}:  # JSON has no infinity
        types, sql = ["number"], "CASE WHEN isfinite({0}::DOUBLE) THEN {0}::DOUBLE END"
    elif kind.id.startswith("timestamp"):
        sql = "replace({0}::TIMESTAMP::VARCHAR, ' ', 'T')"
        if naive_is_utc or kind.id == "timestamp with time zone":
            sql, more = f"{sql} || 'Z'", {"format": "date-time"}
    return {"type": [*types, "null"], **more}, sql


@contextmanager
def warehouse(path: str, stream: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the file to read; an error of DuckDB is one line."""
    try:
        with duckdb.connect(path, read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
    except duckdb.Error as error:
        said = str(error).partition("\n")[0] if isinstance(error, QUOTING_ONLY_SQL) else (
            f"{type(error).__name__}; run the query in DuckDB to see the row"
        )  # fmt: skip
        msg = f"{stream}: {said} (file {path}): correct filepath or queries of tap-warehouse"
        raise SettingsError(msg) from None
