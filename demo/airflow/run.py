"""Two hundred clinics in shards on Airflow, compared with the same in one process.

Starts its own PostgreSQL, Bookio (bookio-sandbox) and Airflow, all on loopback. ``airflow dags
test`` makes a first load; then a day passes, and a LocalExecutor loads what changed, four shards at
once, of which one is killed in the middle. Tables and states must equal those of a single run.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from bookio_sandbox.running import in_process
from demo import postgres
from demo.airflow.airflow import Airflow, AirflowError
from demo.airflow.comparison import SINGLE, STREAMS, compare_states, compare_tables
from demo.airflow.kill import Victim
from demo.airflow.processes import none_left
from demo.airflow.project import (
    CHECKOUT,
    DATABASE,
    OUTPUT,
    SHARDS,
    SLOTS,
    Services,
    make_checkout,
    variables,
)
from demo.airflow.write_back import DAG, WriteBackError, write_back
from demo.meltano_project import DemoError, alone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookio_sandbox.running import Sandbox

FACILITIES = 200
ACCOUNT = OUTPUT / "account.txt"
"""What the demo printed; docs/transcript.py puts it into docs/how-to/airflow.md."""
RUN = "demo"
LOAD = "bookio_load"

sys.stdout.reconfigure(line_buffering=True)
_TELLING = re.compile("Reading state|Incremental state|Extract & load|^Command exited")
"""What is worth showing of an attempt's log."""

console = Console(width=100, highlight=False, record=True)


def main() -> None:
    """Run the demo; exit 1 with a line that says why if anything differs."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if not postgres.is_installed():
        sys.exit("the demo needs Debian's package postgresql: apt-get install postgresql")
    make_checkout()
    arguments = (f"--facilities={FACILITIES}", "--size=10000", "--seed=2026")
    with none_left(), postgres.postgres_server() as port, in_process(*arguments) as sandbox:
        for database in (DATABASE, "meltano", "airflow"):
            postgres.query(port, f"CREATE DATABASE {database}")
        # The bookmarks of two runs are the same only if they ask at the same time.
        sandbox.stop_clock()
        environment = variables(Services(sandbox, port))
        console.print(f"PostgreSQL, and a Bookio with {FACILITIES} facilities: {_rows(sandbox)}")
        airflow = Airflow(environment, port)
        airflow.prepare()
        shards = list_shards(environment)

        console.print(f"\n$ airflow dags test {LOAD}        # {len(shards)} shards, one by one")
        started = time.monotonic()
        airflow.command("dags", "test", LOAD)
        console.print(f"a first load, marts and report in {time.monotonic() - started:.0f} s")
        load_single(environment)
        compare(port, shards)

        changes = sandbox.advance(days=1)
        console.print(f"\nA day passes in the clinics: {_counted(changes)}")
        console.print(
            f"\n$ airflow dags trigger {LOAD}     # LocalExecutor, {SLOTS} shards at once"
        )
        with airflow.running():
            watch(airflow, Victim(sandbox, port, shards))
            load_single(environment)
            compare(port, shards)
            sandbox.control("/clock", {"ticks": True})
            console.print(f"\n$ airflow dags trigger {DAG}")
            console.print(write_back(airflow, sandbox, port, shards, RUN))
    ACCOUNT.write_text(console.export_text())


def list_shards(environment: Mapping[str, str]) -> dict[str, list[int]]:
    """Return the facilities of each shard, as the DAG lists them."""
    command = [CHECKOUT / ".venv/bin/bookio-shards", "list", f"--of={SHARDS}", "--config=ENV"]
    lines = subprocess.check_output(command, cwd=CHECKOUT, env=environment, text=True)
    shards = map(json.loads, lines.splitlines())
    return {shard["shard"]: shard["facility_ids"] for shard in shards}


def load_single(environment: Mapping[str, str]) -> None:
    """Load the same into other tables with one process, one state."""
    meltano = CHECKOUT / ".venv-meltano/bin/meltano"
    variables = {
        "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": SINGLE,
        "TARGET_POSTGRES_ACTIVATE_VERSION": "false",
        "TARGET_POSTGRES_BATCH_SIZE_ROWS": "10000",
    }
    console.print("$ meltano el tap-bookio target-postgres --state-id=single")
    with (OUTPUT / "single.log").open("a") as log:
        subprocess.run(
            [meltano, "el", "tap-bookio", "target-postgres", f"--state-id={SINGLE}"],
            cwd=CHECKOUT,
            env={**environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=True,
            start_new_session=True,
        )


def watch(airflow: Airflow, victim: Victim) -> None:
    """Trigger a run, kill one of its shards once, and follow it to its end."""
    started = time.monotonic()
    airflow.trigger(LOAD, RUN)
    at_once = 0
    while (state := airflow.state(LOAD, RUN)) not in {"success", "failed"}:
        tasks = airflow.tasks(LOAD, RUN)
        running = [t for t in tasks if t["task_id"] == "load_shard" and t["state"] == "running"]
        at_once = max(at_once, len(running))
        if running and (account := victim.kill_when_half_loaded()):
            console.print(f"{time.monotonic() - started:4.0f} s: {account}")
        time.sleep(0.2)
    seconds = time.monotonic() - started
    console.print(f"{seconds:4.0f} s: the run ends: {state}; at most {at_once} shards at once")
    tasks = airflow.tasks(LOAD, RUN)
    report(tasks)
    if state != "success" or not victim.name:
        sys.exit(f"the run ended with {state}, and killed was {victim.name or 'none'}")
    [killed] = [task for task in tasks if task["rendered_map_index"] == victim.name]
    for attempt in range(1, killed["try_number"] + 1):
        for line in filter(_TELLING.search, airflow.log(killed, attempt)):
            console.print(f"attempt {attempt} of {victim.name}: {line}")


def report(tasks: list[dict[str, Any]]) -> None:
    """Show the tasks of a run: a shard's name is what the DAG shows for its map index."""
    table = Table("task", "attempts", "seconds of the last", "state")
    for task in sorted(tasks, key=lambda task: (task["start_date"], task["map_index"])):
        name = task["rendered_map_index"] or task["task_id"]
        cells = (str(task["try_number"]), f"{task['duration']:.0f}", task["state"])
        table.add_row(name, *cells)
    console.print(table)


def compare(port: int, shards: Mapping[str, list[int]]) -> None:
    """End the demo if tables or states of the shards are not those of the single run."""
    tables, states = compare_tables(port), compare_states(port, shards)
    shown = Table("table", "rows", "only of the shards", "only of the single run")
    for stream in STREAMS:
        shown.add_row(stream, *map(str, tables[stream]))
    console.print(shown)
    differing = {shard: problem for shard, problem in states.items() if problem}
    console.print(
        f"{len(states)} state ids, {next(iter(states))} to {list(states)[-1]}: "
        f"{len(states) - len(differing)} equal to the single run's"
    )
    if differing or any(table.only_sharded or table.only_single for table in tables.values()):
        sys.exit(f"sharded and single differ: {differing or 'tables'}")


def _rows(sandbox: Sandbox) -> str:
    return _counted({s: n for s, n in sandbox.counts().items() if s in STREAMS})


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in Counter(counts).items() if n)


if __name__ == "__main__":
    try:
        with alone():
            main()
    except (AirflowError, DemoError, WriteBackError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "interrupted")
