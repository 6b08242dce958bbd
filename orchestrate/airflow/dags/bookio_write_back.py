"""Writes the warehouse's changes back to Bookio in shards.

Each shard has its own journal. A row belongs to the shard of its facility: tap-warehouse sends only
such rows, and target-bookio rejects any others, so no two shards write to the same facility.
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
"""Exit code of target-bookio: done, but some records were rejected."""


def write(shard: Shard) -> str:
    """Return the command for one shard."""
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
    """Write each shard; a failing one does not stop the others."""

    # A retry would reject the same records again. Airflow does not retry a skipped task, so rejects
    # skip it; report_behind then fails and names the shard.
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
