"""Singer loaders, each in its own environment, and a PostgreSQL to load into.

The environments are made from ``requirements/target-*.txt`` in ``.meltano/loaders``, or in the
folder that the variable LOADERS names; Meltano is that of ``.meltano/cli``, or the program that
MELTANO names. Where one is missing a test is skipped; in CI it fails.
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from demo import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
LOADERS = Path(os.environ.get("LOADERS") or ROOT / ".meltano/loaders")
MELTANO = Path(os.environ.get("MELTANO") or ROOT / ".meltano/cli/venv/bin/meltano")
DBT = Path(os.environ.get("DBT") or ROOT / ".meltano/utilities/dbt/venv") / "bin"
SCHEMA = "bookio"
QUERY_WAREHOUSE = str(ROOT / "tests/query_warehouse.py")


class Loaded(NamedTuple):
    """The result of a loader."""

    states: list[dict[str, Any]]
    code: int


def missing(what: str) -> None:
    """Skip the test, or fail in CI."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is missing")


def rows_of(python: Path, warehouse: str, sql: str) -> list[list[Any]]:
    """Return the rows of a query, numbers as numbers and the rest as text."""
    command = [str(python), QUERY_WAREHOUSE, warehouse, sql]
    rows: list[list[Any]] = json.loads(subprocess.check_output(command, text=True))
    return rows


class Loader:
    """A loader, and the warehouse that it fills."""

    def __init__(self, name: str, folder: Path, settings: dict[str, Any], flush: str) -> None:
        """Take the text that appears on stdout or stderr with each flush."""
        self.folder = folder
        self.environment = LOADERS / name / "venv/bin"
        self._command = [str(self.environment / name), "--config", str(folder / f"{name}.json")]
        self._flush = flush
        if not Path(self._command[0]).exists():
            missing(name)
        (folder / f"{name}.json").write_text(json.dumps(settings))

    def load(self, singer: str, *, kill_at_flush: int | None = None) -> Loaded:
        """Load Singer messages, or kill the loader once it has flushed so many times."""
        source = self.folder / "messages.jsonl"
        source.write_text(singer)
        output = []
        flushes = 0
        with (
            source.open() as messages,
            subprocess.Popen(
                self._command,
                stdin=messages,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=self.folder,
            ) as process,
        ):
            for line in process.stdout or ():
                output.append(line)
                flushes += self._flush in line
                if flushes == kill_at_flush:
                    process.kill()
                    break
        states = [json.loads(line) for line in output if line.startswith('{"bookmarks"')]
        return Loaded(states, process.returncode)

    def ids(self, stream: str) -> set[int]:
        raise NotImplementedError


class DuckDb(Loader):
    """target-duckdb; it emits a STATE with each flush."""

    def __init__(self, folder: Path, batch: int) -> None:
        self.file = folder / "warehouse.duckdb"
        settings = {
            "filepath": str(self.file),
            "default_target_schema": "main",
            "add_metadata_columns": True,
            "batch_size_rows": batch,
        }
        super().__init__("target-duckdb", folder, settings, flush='{"bookmarks"')

    def ids(self, stream: str) -> set[int]:
        python = self.environment / "python"
        return {key for [key] in rows_of(python, str(self.file), f"SELECT id FROM {stream}")}  # noqa: S608


class Postgres(Loader):
    """target-postgres; it says in its log that it drains a sink."""

    def __init__(self, folder: Path, batch: int, port: int) -> None:
        self._port = port
        settings = {
            "host": "127.0.0.1",
            "port": port,
            "user": "postgres",
            "password": "none",  # pragma: allowlist secret
            "database": "postgres",
            "default_target_schema": SCHEMA,
            "batch_size_rows": batch,
        }
        super().__init__("target-postgres", folder, settings, flush="Draining")
        self.query(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")

    def query(self, sql: str) -> list[str]:
        return postgres.query(self._port, sql)

    def ids(self, stream: str) -> set[int]:
        return {int(key) for key in self.query(f"SELECT id FROM {SCHEMA}.{stream}")}  # noqa: S608


@contextmanager
def postgres_server() -> Iterator[int]:
    """Run our own PostgreSQL on a free port, and yield the port."""
    if not postgres.is_installed():
        missing("PostgreSQL")
    with postgres.postgres_server() as port:
        yield port
