"""Compares what the shards loaded with what a single run loaded: every row, every bookmark."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from demo.airflow.project import DATABASE
from demo.postgres import query

if TYPE_CHECKING:
    from collections.abc import Mapping

SHARDED, SINGLE = "bookio", "single"
"""Schemas of the warehouse, and the state id of the single run."""
STREAMS = ("facilities", "calendars", "reservations", "blocked_times", "scans")
_OWN_OF_A_RUN = {
    "scans": "'{startedAt,seconds,requests}'",
}
"""What a row holds of the run that read it: how long a scan took."""


class Difference(NamedTuple):
    """Rows of a table that only one of the two has."""

    rows: int
    only_sharded: int
    only_single: int


def compare_tables(port: int) -> dict[str, Difference]:
    """Return how the tables differ, in all columns but those of the loader (``_sdc_…``)."""
    return {stream: _compare_table(port, stream) for stream in STREAMS}


def _compare_table(port: int, stream: str) -> Difference:
    rows = {
        schema: f"""(
            SELECT (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(t))
                    WHERE key NOT LIKE '\\_sdc\\_%') - {_OWN_OF_A_RUN.get(stream, "'{}'")}::text[]
            FROM {schema}.{stream} t)"""
        for schema in (SHARDED, SINGLE)
    }
    sharded, single = rows[SHARDED], rows[SINGLE]
    counts = query(
        port,
        f"""SELECT (SELECT count(*) FROM {SINGLE}.{stream}),
            (SELECT count(*) FROM ({sharded} EXCEPT ALL {single}) a),
            (SELECT count(*) FROM ({single} EXCEPT ALL {sharded}) b)""",
        DATABASE,
    )
    return Difference(*map(int, counts[0].split("|")))


def states(port: int) -> dict[str, dict[str, Any]]:
    """Return all states of Meltano by their id, as ``meltano state get`` prints them."""
    rows = query(port, "SELECT json_build_object(state_id, completed_state) FROM state", "meltano")
    return {key: json.loads(text) for row in rows for key, text in json.loads(row).items()}


def bookmarks(state: Mapping[str, Any]) -> dict[tuple[str, int], dict[str, Any]]:
    """Return what a state holds by stream and facility, but for how long each scan took."""
    return {
        (stream, entry["context"]["facilityId"]): {
            name: value for name, value in entry.items() if name not in {"context", "scan_ms"}
        }
        for stream, content in state["singer_state"]["bookmarks"].items()
        for entry in content.get("partitions", ())
    }


def compare_states(port: int, shards: Mapping[str, list[int]]) -> dict[str, str]:
    """Return what is wrong with each shard's state beside that of the single run, ``""``: nothing.

    A shard's state must have the bookmarks of its facilities and no others, each equal to the one
    of the single run.
    """
    found = states(port)
    single = bookmarks(found[SINGLE])
    problems = {}
    for shard, facility_ids in shards.items():
        own = bookmarks(found.get(shard, {"singer_state": {"bookmarks": {}}}))
        expected = {key: value for key, value in single.items() if key[1] in facility_ids}
        differing = [key for key in own.keys() | expected if own.get(key) != expected.get(key)]
        problems[shard] = f"{len(differing)} bookmarks differ" if differing else ""
    return problems
