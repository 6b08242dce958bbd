"""The two kinds of warehouse that tap-warehouse reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg

from tests.cli import Run, run

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Warehouse:
    """A DuckDB file or a PostgreSQL database, and tap-warehouse over it."""

    folder: Path
    settings: dict[str, Any]
    """Of tap-warehouse: where the warehouse is."""

    def execute(self, *statements: str) -> None:
        """Carry out SQL as somebody with the right to write."""
        url, path = self.settings.get("database_url"), self.settings.get("filepath")
        with psycopg.connect(url) if url else duckdb.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)

    def config(self, queries: dict[str, str], **settings: Any) -> Path:
        """Write the settings into a file."""
        file = self.folder / "tap_warehouse.json"
        file.write_text(json.dumps({**self.settings, "queries": queries, **settings}))
        return file

    def tap(
        self,
        *options: str,
        settings: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
        **queries: str,
    ) -> Run:
        """Run tap-warehouse with a query for each stream."""
        file = self.config(queries, **settings or {})
        return run("tap-warehouse", "--config", str(file), *options, **environment or {})


def duckdb_warehouse(folder: Path) -> Warehouse:
    """Return an empty file."""
    file = folder / "warehouse.duckdb"
    duckdb.connect(str(file)).close()
    return Warehouse(folder, {"filepath": str(file)})


def postgres_warehouse(folder: Path, port: int, *, schema: str = "public") -> Warehouse:
    """Return the server's database, where names without a schema are those of this one."""
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres?options=-csearch_path%3D{schema}"
    return Warehouse(folder, {"database_url": url})
