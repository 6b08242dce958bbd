"""Loads all clinics of a token into PostgreSQL, in shards, then builds the marts and the report.

Each mapped task is one ``meltano el``: extract and load together, so that a shard's state moves
only behind what is loaded. (``meltano run`` would share one state file among the shards.)
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
"""Small streams without bookmarks, which one task reads whole."""
OF_SHARDS = ("reservations", "blocked_times", "scans")


def load(state_id: str, without: tuple[str, ...], facility_ids: list[int] | None = None) -> str:
    """Return the command of one load."""
    settings = requests_per_second() | ({"facility_ids": facility_ids} if facility_ids else {})
    variables = {f"TAP_BOOKIO_{name.upper()}": value for name, value in settings.items()}
    # What one shard read is not all there is, and ACTIVATE_VERSION would have the loader drop the
    # rest. With the log of scans the marts know without it what was removed.
    variables["TARGET_POSTGRES_ACTIVATE_VERSION"] = False
    # --force: a killed attempt still counts as running for Meltano, for five minutes. Airflow
    # starts no second one beside it; if one were left over, keys merge and bookmarks only repeat.
    words = ["el", "--no-install", "--force", "tap-bookio", "target-postgres"]
    excluded = [f"--exclude={stream}" for stream in without]
    return command(MELTANO, *words, f"--state-id={state_id}", *excluded, variables=variables)


@dag(schedule=schedule("BOOKIO_SCHEDULE", "@hourly"), **DAG_SETTINGS)
def bookio_load() -> None:
    """Load, build and draw; one shard that fails stops no other."""

    @task.bash(cwd=HOME, pool=POOL)
    def load_facilities() -> str:
        return load("facilities", without=OF_SHARDS)

    @task.bash(cwd=HOME, pool=POOL, map_index_template="{{ task.op_kwargs['shard']['shard'] }}")
    def load_shard(shard: Shard) -> str:
        return load(shard["shard"], without=OF_ALL, facility_ids=shard["facility_ids"])

    # The marts of the shards that came are worth having; stg_freshness shows how old the rest is.
    @task.bash(cwd=HOME, trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
    def build_marts() -> str:
        return command(MELTANO, "invoke", "--no-install", "dbt-postgres:build")

    @task.bash(cwd=HOME)
    def draw_report() -> str:
        return command(MELTANO, "invoke", "--no-install", "dbt-postgres:report")

    loaded = load_shard.expand(shard=list_shards())
    [load_facilities(), loaded] >> build_marts() >> draw_report() >> report_behind()


bookio_load()
