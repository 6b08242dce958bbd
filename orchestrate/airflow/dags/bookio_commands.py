"""What the DAGs share: their configuration, and how their tasks run commands.

Tasks run the programs of the checkout in ``BOOKIO_HOME``, each in its own environment, so Airflow
imports nothing from this project. The token and the plugins' other settings are in the checkout's
``.env``, or in the environment of Airflow's workers.

| variable | meaning | default |
|---|---|---|
| BOOKIO_HOME | the checkout, with ``.venv`` and ``.venv-meltano`` | /srv/bookio |
| BOOKIO_SHARDS | number of shards, 1 to 64; part of each state id, so choose it once | 16 |
| BOOKIO_REQUESTS_PER_SECOND | budget of the token, for all tasks together | no limit |
| BOOKIO_SCHEDULE | when to load; empty: only when triggered | @hourly |
| BOOKIO_WRITE_BACK_SCHEDULE | when to write back; empty: only when triggered | 35 6 * * * |
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from airflow.sdk import TriggerRule, get_current_context, task
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowException, AirflowFailException

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HOME = os.environ.get("BOOKIO_HOME", "/srv/bookio")
SHARDS = os.environ.get("BOOKIO_SHARDS", "16")

[(POOL, _pool)] = json.loads((Path(__file__).parents[1] / "pools.json").read_text()).items()
"""Limits the tasks that call Bookio; ``airflow pools import`` creates it from the same file."""

DAG_SETTINGS: dict[str, Any] = {
    "start_date": datetime(2026, 1, 1, tzinfo=UTC),
    "catchup": False,  # the state determines what to read, not the date of a run
    "max_active_runs": 1,
    "default_args": {
        "retries": 3,
        # Airflow's own default, five minutes; unless it is set here, the scheduler of Airflow 3.3
        # ignores the configured value for mapped tasks.
        "retry_delay": timedelta(seconds=conf.getint("core", "default_task_retry_delay")),
    },
    "tags": ["bookio"],
}


class Shard(TypedDict):
    """A line of ``bookio-shards list``."""

    shard: str
    facility_ids: list[int]


def schedule(variable: str, default: str) -> str | None:
    """Return a DAG's schedule."""
    return os.environ.get(variable, default) or None


def requests_per_second() -> dict[str, float]:
    """Return the tap's or target's setting for one task: its share of the budget."""
    budget = os.environ.get("BOOKIO_REQUESTS_PER_SECOND")
    return {"requests_per_second": float(budget) / _pool["slots"]} if budget else {}


def command(*words: str, variables: Mapping[str, Any] | None = None) -> str:
    """Return a shell command with its variables. Airflow logs it, and anyone can run it by hand."""
    texts = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in (variables or {}).items()
    }
    return shlex.join([*(("env",) if texts else ()), *map("=".join, texts.items()), *words])


@task(pool=POOL)
def list_shards() -> list[Shard]:
    """Split the facilities that the token has access to now, including new clinics."""
    done = subprocess.run(
        [".venv/bin/bookio-shards", "list", "--of", SHARDS, "--config", "ENV"],
        cwd=HOME,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise AirflowException(done.stderr.strip() or f"exit code {done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()]


@task(trigger_rule=TriggerRule.ALL_DONE, retries=0)
def report_behind() -> None:
    """Fail the run if anything in it failed, and name the shards that are behind.

    Airflow takes the state of a run from its leaf tasks, and this is the only one. Without it, a
    run whose marts were built would succeed even if shards had failed.
    """
    context = get_current_context()
    instance, run = context["ti"], context["dag_run"]
    states = instance.get_task_states(dag_id=run.dag_id, run_ids=[run.run_id])[run.run_id]
    lines = list(problems(states, instance.xcom_pull(task_ids="list_shards") or []))
    if lines:
        raise AirflowFailException("; ".join(lines))


def problems(states: Mapping[str, str | None], shards: list[Shard]) -> Iterator[str]:
    """Yield what went wrong. The key of a mapped task ends in its index, as in ``load_shard_3``."""
    for name, state in sorted(states.items()):
        if not (ending := _ENDINGS.get(state or "")):
            continue
        task_id, _, index = name.rpartition("_")
        if task_id in SHARD_TASKS and index.isdigit():
            shard = shards[int(index)]
            yield f"{shard['shard']} ({len(shard['facility_ids'])} facilities) {ending}"
        else:
            yield f"{name} {ending}"


SHARD_TASKS = ("load_shard", "write_shard")
_ENDINGS = {
    "failed": "is behind: see the log of its last attempt; the next run continues from its state",
    "upstream_failed": "did not run",
    "skipped": "has rejects: see its rejects.jsonl",
}
