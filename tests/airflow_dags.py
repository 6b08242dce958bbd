"""Imports the DAGs of a folder as Airflow does and prints what they are made of, as JSON.

Runs in the environment of requirements/airflow.txt; no database is needed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from airflow.dag_processing.dagbag import DagBag


def main(folder: str) -> None:
    sys.path.insert(0, folder)
    bag = DagBag(folder)
    shard = {"shard": "shard-02of04", "facility_ids": [7, 11]}
    commands = {}
    if not bag.import_errors:
        import bookio_load  # noqa: PLC0415 - of the folder
        import bookio_write_back  # noqa: PLC0415

        commands = {
            "load": bookio_load.load(shard["shard"], ("facilities",), shard["facility_ids"]),
            "write": bookio_write_back.write(shard),
        }
    dags = {
        dag.dag_id: {
            "catchup": dag.catchup,
            "max_active_runs": dag.max_active_runs,
            "tasks": {
                task.task_id: {
                    "pool": task.pool,
                    "mapped": task.is_mapped,
                    "retries": task.retries,
                    "trigger_rule": str(task.trigger_rule),
                    "after": sorted(task.upstream_task_ids),
                }
                for task in dag.tasks
            },
        }
        for dag in bag.dags.values()
    }
    errors = {Path(file).name: error for file, error in bag.import_errors.items()}
    print(json.dumps({"errors": errors, "dags": dags, "commands": commands}))


if __name__ == "__main__":
    main(sys.argv[1])
