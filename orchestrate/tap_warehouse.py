"""A small Singer tap: the rows of DuckDB queries, one stream for each query."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, ClassVar

import duckdb
from singer_sdk import Stream, Tap
from singer_sdk import typing as th

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KINDS = {"BIGINT": "integer", "INTEGER": "integer", "HUGEINT": "integer", "BOOLEAN": "boolean",
         "DOUBLE": "number"}  # fmt: skip


class Query(Stream):
    """The rows of one query. Full table each time: target-bookio knows what is done already."""

    def __init__(self, tap: Tap, name: str, query: str) -> None:
        """Describe the query's columns."""
        self._query = query
        with duckdb.connect(tap.config["filepath"], read_only=True) as warehouse:
            columns = warehouse.execute(f"DESCRIBE {query}").fetchall()
        properties = {
            column: {"type": [KINDS.get(kind, "string"), "null"]} for column, kind, *_ in columns
        }
        super().__init__(tap, {"type": "object", "properties": properties}, name)

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:  # noqa: ARG002
        """Yield the rows as objects."""
        with duckdb.connect(self.config["filepath"], read_only=True) as warehouse:
            warehouse.execute("SET TimeZone = 'UTC'")
            cursor = warehouse.execute(self._query)
            names = [column[0] for column in cursor.description]
            while rows := cursor.fetchmany(1000):
                for row in rows:
                    yield {name: _json(value) for name, value in zip(names, row, strict=True)}


class TapWarehouse(Tap):
    """Rows of a DuckDB file, as streams for target-bookio."""

    name = "tap-warehouse"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("filepath", th.StringType, required=True, description="The DuckDB file."),
        th.Property("queries", th.ObjectType(), required=True, description="SELECT by stream."),
    ).to_dict()

    def discover_streams(self) -> list[Stream]:
        """Return a stream for each query."""
        return [Query(self, name, query) for name, query in self.config["queries"].items()]


def _json(value: object) -> object:
    """Return a datetime as text: with its offset, or as wall time where it has none."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date) else value


if __name__ == "__main__":
    TapWarehouse.cli()
