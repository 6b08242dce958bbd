"""A small Singer tap: the rows of SQL queries on a warehouse, one stream for each query.

Loaders convert the timestamps of tap-bookio to UTC and drop the offset, so by default a TIMESTAMP
is emitted as UTC, with ``Z``. Loaders may also lower the case of names; columns whose names match
Bookio's, ignoring case, get Bookio's spelling back.

singer-sdk's own SQL streams read whole tables, through SQLAlchemy, for which DuckDB needs one more
driver. A write-back needs queries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from bookio_singer.command import OneLineCommand
from bookio_singer.sdk import SingerTap
from bookio_singer.settings import facilities_problem
from tap_warehouse.duckdb_file import DuckDbFile
from tap_warehouse.postgres import Postgres
from tap_warehouse.query import Query
from tap_warehouse.settings import SETTINGS

if TYPE_CHECKING:
    import click
    from singer_sdk import Stream

    from tap_warehouse.database import Database


class TapWarehouse(SingerTap):
    """Rows of a warehouse, as streams for target-bookio."""

    name = "tap-warehouse"
    package_name = "singer-bookio"
    config_jsonschema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": dict(SETTINGS),
        "required": ["queries"],
    }

    def settings_problems(self) -> list[str]:
        """Return a problem if no warehouse or facility is set, or a stream has no name."""
        if not all(name.strip() for name in self.config["queries"]):
            return ["a query in queries has no stream name; name it, for instance reservations"]
        if problem := facilities_problem(self.config):
            return [problem]
        if self.config.get("filepath") or self.config.get("database_url"):
            return []
        missing = (
            "neither filepath nor database_url is set; put one of them into "
            "TAP_WAREHOUSE_FILEPATH or TAP_WAREHOUSE_DATABASE_URL and add --config ENV, or into a "
            "file"
        )
        return [missing]

    def discover_streams(self) -> list[Stream]:
        """Return a stream for each query."""
        database, queries = self._database(), self.config["queries"]
        return [Query(self, name, query, database) for name, query in queries.items()]

    def _database(self) -> Database:
        """Return the database; ``database_url`` wins, because Meltano always has a default file."""
        naive_is_utc = self.config["naive_timestamps"] == "utc"
        if url := self.config.get("database_url"):
            return Postgres(url, naive_is_utc=naive_is_utc)
        return DuckDbFile(self.config["filepath"], naive_is_utc=naive_is_utc)

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return a command line that reports every failure in one line."""
        return OneLineCommand.like(super().get_singer_command(), cls.logger)
