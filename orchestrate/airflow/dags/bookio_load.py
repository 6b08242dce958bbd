"""Loads all clinics of a token into PostgreSQL in shards, then builds the marts and the report.

Each mapped task is one ``meltano el``, which extracts and loads, so that a shard's state moves only
after its rows are loaded. (Parallel runs of ``meltano run`` would share one state.)
"""

from __future__ import annotations

from airflow.sdk import TriggerRule, dag, task
from bookio_commands import (
    DAG_SETTINGS,
    HOME,
    POOL,
    Shard,
    command,
    list_shards,
    report_behind,
    requests_per_second,
    schedule,
)

MELTANO = ".venv-meltano/bin/meltano"
OF_ALL = ("facilities", "calendars")
"""Small streams without bookmarks, which one task reads in full."""
OF_SHARDS = ("reservations", "blocked_times", "scans")


def load(state_id: str, without: tuple[str, ...], facility_ids: list[int] | None = None) -> str:
    """Return the command of one load."""
    settings = requests_per_second() | ({"facility_ids": facility_ids} if facility_ids else {})
    variables = {f"TAP_BOOKIO_{name.upper()}": value for name, value in settings.items()}
    # A shard loads a part of each table, and on ACTIVATE_VERSION the loader would drop the rest.
    # The marts do not need it: with the scan log, they know what was removed.
    variables["TARGET_POSTGRES_ACTIVATE_VERSION"] = False
    # --force: for five minutes, Meltano believes that a killed attempt is still running. Airflow
    # runs one attempt at a time. Even if a process of the killed one were left, it would do no
    # harm: rows merge by key, and an older bookmark only makes the next run read some rows again.
    words = ["el", "--no-install", "--force", "tap-bookio", "target-postgres"]
    excluded = [f"--exclude={stream}" for stream in without]
    return command(MELTANO, *words, f"--state-id={state_id}", *excluded, variables=variables)


@dag(schedule=schedule("BOOKIO_SCHEDULE", "@hourly"), **DAG_SETTINGS)
def bookio_load() -> None:
    """Load, build the marts, draw the report; a failing shard does not stop the others."""

    @task.bash(cwd=HOME, pool=POOL)
    def load_facilities() -> str:
        return load("facilities", without=OF_SHARDS)

    @task.bash(cwd=HOME, pool=POOL, map_index_template="{{ task.op_kwargs['shard']['shard'] }}")
    def load_shard(shard: Shard) -> str:
        return load(shard["shard"], without=OF_ALL, facility_ids=shard["facility_ids"])

    # Marts of most shards are better than none; stg_freshness shows which facilities are behind.
    @task.bash(cwd=HOME, trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
    def build_marts() -> str:
        return command(MELTANO, "invoke", "--no-install", "dbt-postgres:build")

    @task.bash(cwd=HOME)
    def draw_report() -> str:
        return command(MELTANO, "invoke", "--no-install", "dbt-postgres:report")

    loaded = load_shard.expand(shard=list_shards())
    [load_facilities(), loaded] >> build_marts() >> draw_report() >> report_behind()


bookio_load()
