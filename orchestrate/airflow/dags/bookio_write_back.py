"""Writes back to Bookio what the warehouse wants, in shards.

Each shard has a journal of its own. A row belongs to the shard of its facility: tap-warehouse sends
only those rows, and target-bookio rejects any other, so no two shards write to one facility.
"""

from __future__ import annotations

from airflow.sdk import dag, task
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

REJECTED = 3
"""The exit code of target-bookio where all is done but some records were rejected."""


def write(shard: Shard) -> str:
    """Return the command of one shard."""
    folder = f".bookio/{shard['shard']}"
    settings = {
        "facility_ids": shard["facility_ids"],
        "journal_path": f"{folder}/journal.sqlite3",
        "rejects_path": f"{folder}/rejects.jsonl",
        **requests_per_second(),
    }
    variables = {f"TARGET_BOOKIO_{name.upper()}": value for name, value in settings.items()}
    variables["TAP_WAREHOUSE_FACILITY_IDS"] = shard["facility_ids"]
    return command("orchestrate/write-back.sh", "--config", "ENV", variables=variables)


@dag(schedule=schedule("BOOKIO_WRITE_BACK_SCHEDULE", "35 6 * * *"), **DAG_SETTINGS)
def bookio_write_back() -> None:
    """Write each shard; one that fails stops no other."""

    # Rejects are no failure to try again: the same records would be rejected. So they skip the
    # task, and report_behind tells of it.
    @task.bash(
        cwd=HOME,
        pool=POOL,
        skip_on_exit_code=REJECTED,
        map_index_template="{{ task.op_kwargs['shard']['shard'] }}",
    )
    def write_shard(shard: Shard) -> str:
        return write(shard)

    write_shard.expand(shard=list_shards()) >> report_behind()


bookio_write_back()
