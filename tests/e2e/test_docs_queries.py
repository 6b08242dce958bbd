"""Each query in the docs runs, on DuckDB and on PostgreSQL, over tables as loaders make them."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from bookio_api.schemas import stream_schema
from bookio_sandbox.running import in_thread
from tests.cli import Tap
from tests.doc_pages import blocks
from tests.loaders import postgres_server

STREAMS = ("facilities", "calendars", "reservations", "blocked_times", "scans")
TYPES = {
    "integer": "BIGINT",
    "number": "DOUBLE PRECISION",
    "boolean": "BOOLEAN",
    "object": "JSON",
    "array": "JSON",
}
QUERIES = [(block.page, block.body) for block in blocks("sql")]
PAGES = sorted({page for page, _ in QUERIES})


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, int]]:
    """SQL that creates the tables of a small clinic, and the row count of each stream."""
    with in_thread(size=60) as sandbox:
        done = Tap(sandbox, tmp_path_factory.mktemp("tap"))(scan_log=True)
    assert done.code == 0, done.stderr
    rows = {name: done.records(name) for name in STREAMS}
    sql = "\n".join(table(name, rows[name]) for name in STREAMS)
    return sql, {name: len(found) for name, found in rows.items()}


def table(name: str, rows: list[dict[str, Any]]) -> str:
    columns = {column: kind(field) for column, field in stream_schema(name)["properties"].items()}
    extra = ("_sdc_extracted_at", "_sdc_deleted_at")
    listed = ", ".join(
        f'"{c}" {k}' for c, k in {**columns, **dict.fromkeys(extra, "TIMESTAMP")}.items()
    )
    inserts = []
    for row in rows:
        values = ", ".join(literal(row.get(c), columns[c]) for c in columns)
        inserts.append(f"INSERT INTO {name} SELECT {values}, now() AT TIME ZONE 'UTC', NULL;")
    return "\n".join([f"CREATE TABLE {name} ({listed});", *inserts])


def kind(field: dict[str, Any]) -> str:
    if field.get("format") == "date-time":
        return "TIMESTAMP"
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    return next((TYPES[k] for k in kinds if k in TYPES), "VARCHAR")


def literal(value: object, column: str) -> str:
    if value is None:
        return "NULL"
    if column == "TIMESTAMP":  # loaders keep UTC, without a zone
        value = datetime.fromisoformat(str(value)).astimezone(UTC).replace(tzinfo=None).isoformat()
    text = json.dumps(value) if column == "JSON" else str(value)
    return "'{}'".format(text.replace("'", "''"))


@pytest.mark.parametrize("page", PAGES)
def test_queries_run_on_duckdb(page: str, tables: tuple[str, dict[str, int]]) -> None:
    with duckdb.connect() as database:
        database.execute(tables[0])
        for query in [body for where, body in QUERIES if where == page]:
            database.execute(query)


def test_each_table_has_an_example_that_returns_its_rows(
    tables: tuple[str, dict[str, int]],
) -> None:
    sql, counts = tables
    examples = [body for page, body in QUERIES if page == "docs/streams.md"]
    with duckdb.connect() as database:
        database.execute(sql)
        found = {}
        for name in STREAMS:
            [query] = [
                body for body in examples if f"FROM {name} " in f"{body} ".replace("\n", " ")
            ]
            found[name] = database.execute(query).fetchall()
        assert len(found["facilities"]) == counts["facilities"]
        assert sum(row[2] for row in found["reservations"]) == counts["reservations"]
        assert found["calendars"]
        assert all(hours > 0 for _, hours in found["blocked_times"])
        assert found["scans"] == []  # none was incomplete


def test_queries_run_on_postgresql(tables: tuple[str, dict[str, int]]) -> None:
    with postgres_server() as port:
        psql = [
            "psql",
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
            "-U",
            "postgres",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
        ]
        for page in PAGES:
            asked = ";\n".join(
                body.rstrip().rstrip(";") for where, body in QUERIES if where == page
            )
            sql = f"DROP SCHEMA public CASCADE; CREATE SCHEMA public; {tables[0]} {asked};"
            done = subprocess.run(psql, input=sql, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{page}: {done.stderr}"
