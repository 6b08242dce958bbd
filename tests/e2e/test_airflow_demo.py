"""The comparison of make airflow-demo sees one differing row and one differing bookmark."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from demo import postgres
from demo.airflow.comparison import SHARDED, SINGLE, STREAMS, compare_states, compare_tables
from demo.airflow.project import DATABASE
from tests.loaders import postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARDS = {"shard-00of02": [7, 11], "shard-01of02": [8]}


def state_of(*facilities: int, **changes: Any) -> str:
    partitions = [
        {"context": {"facilityId": key}, "replication_key_value": 5, "scan_ms": key} | changes
        for key in facilities
    ]
    return json.dumps({"singer_state": {"bookmarks": {"reservations": {"partitions": partitions}}}})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Run a PostgreSQL in which shards and the single run have loaded the same."""
    with postgres_server() as port:
        for database in (DATABASE, "meltano"):
            postgres.query(port, f"CREATE DATABASE {database}")
        for schema in (SHARDED, SINGLE):
            postgres.query(port, f"CREATE SCHEMA {schema}", DATABASE)
            for stream in STREAMS:
                rows = f"SELECT id, 'CONFIRMED' AS status, '{schema}' AS _sdc_batched_at"
                make = f"CREATE TABLE {schema}.{stream} AS {rows} FROM generate_series(1, 3) AS id"
                postgres.query(port, make, DATABASE)
        states = {SINGLE: state_of(7, 8, 11), **{s: state_of(*ids) for s, ids in SHARDS.items()}}
        postgres.query(port, "CREATE TABLE state (state_id text, completed_state text)", "meltano")
        for name, state in states.items():
            postgres.query(port, f"INSERT INTO state VALUES ('{name}', '{state}')", "meltano")  # noqa: S608
        yield port


def test_equal_warehouses_compare_as_equal(port: int) -> None:
    """The loader's columns and how long a scan took do not count."""
    assert set(compare_tables(port).values()) == {(3, 0, 0)}
    assert set(compare_states(port, SHARDS).values()) == {""}


@pytest.mark.parametrize(
    ("change", "differing"),
    [
        ("DELETE FROM {} WHERE id = 2", (3, 0, 1)),
        ("UPDATE {} SET status = 'CANCELLED' WHERE id = 2", (3, 1, 1)),
        ("INSERT INTO {0} SELECT * FROM {0} WHERE id = 2", (3, 1, 0)),
    ],
)
def test_a_differing_row_is_counted(port: int, change: str, differing: tuple[int, ...]) -> None:
    table = f"{SHARDED}.reservations"
    postgres.query(port, f"CREATE TABLE kept AS SELECT * FROM {table}", DATABASE)  # noqa: S608
    postgres.query(port, change.format(table), DATABASE)
    assert compare_tables(port)["reservations"] == differing
    restore = f"TRUNCATE {table}; INSERT INTO {table} SELECT * FROM kept; DROP TABLE kept"  # noqa: S608
    postgres.query(port, restore, DATABASE)


@pytest.mark.parametrize(
    "state",
    [state_of(7), state_of(7, 8, 11), state_of(7, 11, replication_key_value=6)],
    ids=["a bookmark is missing", "one too many", "another time"],
)
def test_a_differing_bookmark_is_named(port: int, state: str) -> None:
    change = "UPDATE state SET completed_state = '{}' WHERE state_id = 'shard-00of02'"
    postgres.query(port, change.format(state), "meltano")
    assert [shard for shard, problem in compare_states(port, SHARDS).items() if problem] == [
        "shard-00of02"
    ]
    postgres.query(port, change.format(state_of(7, 11)), "meltano")
