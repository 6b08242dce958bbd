"""The DAGs of orchestrate/airflow: Airflow imports them, a shard that fails stops no other, and no
two shards write to one facility."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from bookio_sandbox.running import in_thread
from tests.cli import BIN, Tap, by_external_id
from tests.loaders import ROOT, SCHEMA, Postgres, missing, postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

AIRFLOW = Path(os.environ.get("AIRFLOW") or ROOT / ".meltano/airflow/venv") / "bin"
DAGS = ROOT / "orchestrate/airflow/dags"
SHARDS = 4


class Airflow:
    """An Airflow with SQLite, whose DAGs work in a checkout of links."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.checkout = folder / "checkout"
        meltano = self.checkout / ".venv-meltano/bin/meltano"
        meltano.parent.mkdir(parents=True)
        meltano.symlink_to(ROOT / "tests/meltano_of_shards.sh")
        (self.checkout / ".venv").mkdir()
        (self.checkout / ".venv/bin").symlink_to(BIN)
        (self.checkout / "orchestrate").symlink_to(ROOT / "orchestrate")
        self.environment = {
            "PATH": os.defpath,
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
            "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "0",
            "BOOKIO_HOME": str(self.checkout),
            "BOOKIO_SHARDS": str(SHARDS),
            "BOOKIO_REQUESTS_PER_SECOND": "40",
            "TAP_BOOKIO_AUTH_TOKEN": sandbox.token,
            "TAP_BOOKIO_API_URL": sandbox.url,
        }

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [AIRFLOW / command[0], *command[1:]],
            env=self.environment | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def parse(self, dags: Path) -> dict[str, Any]:
        """Return what Airflow finds in a folder of DAGs."""
        done = self.run("python", str(ROOT / "tests/airflow_dags.py"), str(dags))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def clinics() -> Iterator[Sandbox]:
    with in_thread() as sandbox:
        yield sandbox


@pytest.fixture
def airflow(tmp_path: Path, clinics: Sandbox) -> Airflow:
    if not (AIRFLOW / "airflow").exists():
        missing("Airflow")
    return Airflow(tmp_path, clinics)


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory, clinics: Sandbox) -> dict[str, Any]:
    """Return what Airflow finds in our folder of DAGs."""
    if not (AIRFLOW / "airflow").exists():
        missing("Airflow")
    return Airflow(tmp_path_factory.mktemp("parsed"), clinics).parse(DAGS)


def shards(airflow: Airflow) -> dict[str, list[int]]:
    """Return the facilities of each shard."""
    command = [BIN / "bookio-shards", "list", f"--of={SHARDS}", "--config=ENV"]
    lines = subprocess.check_output(command, env=airflow.environment, text=True).splitlines()
    return {shard["shard"]: shard["facility_ids"] for shard in map(json.loads, lines)}


def test_airflow_imports_the_dags(parsed: dict[str, Any]) -> None:
    """One pool for all that asks Bookio, and one leaf, which decides what becomes of the run."""
    assert parsed["errors"] == {}
    assert parsed["dags"].keys() == {"bookio_load", "bookio_write_back"}
    for dag in parsed["dags"].values():
        tasks = dag["tasks"]
        assert (dag["catchup"], dag["max_active_runs"]) == (False, 1)
        assert tasks.keys() - {name for task in tasks.values() for name in task["after"]} == {
            "report_behind"
        }
        asking = {"list_shards", "load_facilities", "load_shard", "write_shard"} & tasks.keys()
        assert {name for name, task in tasks.items() if task["pool"] == "bookio_api"} == asking
        assert [name for name, task in tasks.items() if task["mapped"]] == [
            name for name in ("load_shard", "write_shard") if name in tasks
        ]


def test_airflow_reports_a_dag_that_cannot_be_imported(airflow: Airflow, tmp_path: Path) -> None:
    """Negative control of the test above."""
    broken = tmp_path / "orchestrate/dags"
    shutil.copytree(DAGS, broken)
    shutil.copy(DAGS.parent / "pools.json", broken.parent)
    load = broken / "bookio_load.py"
    load.write_text(load.read_text().replace("TriggerRule.ALL_DONE", "TriggerRule.ALL_OVER"))
    assert [*airflow.parse(broken)["errors"]] == ["bookio_load.py"]


def test_a_load_runs_meltano_el_with_the_state_of_its_shard(parsed: dict[str, Any]) -> None:
    """Each task gets its share of the requests, and the loader drops nothing of other shards."""
    command = parsed["commands"]["load"]
    assert " el " in command
    assert "--state-id=shard-02of04" in command
    assert "'TAP_BOOKIO_FACILITY_IDS=[7, 11]'" in command
    assert "TAP_BOOKIO_REQUESTS_PER_SECOND=10.0" in command
    assert "TARGET_POSTGRES_ACTIVATE_VERSION=false" in command


@pytest.mark.slow
def test_a_failed_shard_stops_no_other_and_is_named_at_the_end(airflow: Airflow) -> None:
    """It is tried again; the others, the marts and the report are there, and the run fails."""
    cut = shards(airflow)
    failing, *others = cut
    assert others
    assert airflow.run("airflow", "db", "migrate").returncode == 0
    done = airflow.run("airflow", "dags", "test", "bookio_load", FAILING=failing)
    said = done.stdout + done.stderr
    ran = Counter((airflow.checkout / "meltano.log").read_text().splitlines())
    loads = {
        found[1]: (line.partition(" el ")[0], times)
        for line, times in ran.items()
        if (found := re.search(r"--state-id=(\S+)", line))
    }
    assert loads.pop("facilities") == ("all", 1)
    assert loads.pop(failing) == (str(cut[failing]), 4)
    assert loads == {shard: (str(cut[shard]), 1) for shard in others}
    assert sum("dbt-postgres" in line for line in ran) == 2
    assert f"{failing} ({len(cut[failing])} facilities) is behind" in said
    assert not [shard for shard in others if f"{shard} (" in said]
    assert done.returncode != 0


@pytest.mark.parametrize("obeys", [False, True])
def test_only_a_loader_that_ignores_activate_version_keeps_the_rows_of_all_shards(
    tmp_path: Path, start_sandbox: StartSandbox, *, obeys: bool
) -> None:
    """What the DAG sets; the control is a loader that obeys, and drops what one shard left out."""
    clinics = start_sandbox(size=60)
    tap = Tap(clinics, tmp_path)
    here, *others = [row["id"] for row in clinics.rows("facilities")]
    with postgres_server() as port:
        loader = Postgres(tmp_path, 1000, port)
        config = tmp_path / "target-postgres.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"activate_version": obeys}))
        for ids in ([here], others):
            loader.load(tap(facility_ids=ids, detect_deletions=True).stdout)
        query = f'SELECT "facilityId" FROM {SCHEMA}.blocked_times WHERE _sdc_deleted_at IS NULL'  # noqa: S608
        kept = set(map(int, loader.query(query)))
    assert kept == ({*others} if obeys else {here, *others})


def wants_of(clinics: Sandbox) -> str:
    """Return a query: one blocked time for each facility, with its facility's number as its own."""
    rows = ", ".join(f"({row['id']})" for row in clinics.rows("facilities"))
    times = "'2027-06-01T12:00:00' AS datefrom, '2027-06-01T13:00:00' AS dateto, 'Training' AS note"
    return f"SELECT id AS externalid, id AS facilityid, {times} FROM (VALUES {rows}) AS f(id)"  # noqa: S608


def write_back(airflow: Airflow, clinics: Sandbox, *commands: str) -> list[int]:
    """Run commands of the write-back at once; return their exit codes."""
    home = airflow.checkout
    duckdb.connect(home / "bookio.duckdb").close()
    queries = {"blocked_times": wants_of(clinics)}
    files = {
        "warehouse": {"filepath": str(home / "bookio.duckdb"), "queries": queries},
        "target": {"auth_token": clinics.token, "api_url": clinics.url},
    }
    for name, settings in files.items():
        (home / f"{name}.json").write_text(json.dumps(settings))
    variables = {"PATH": os.defpath, "BOOKIO_HOME": str(home)}
    running = [
        subprocess.Popen(["/bin/bash", "-c", command], cwd=home, env=variables)
        for command in commands
    ]
    return [process.wait(timeout=120) for process in running]


def commands_of(parsed: dict[str, Any], cut: dict[str, list[int]]) -> dict[str, str]:
    """Return the command that the DAG makes for each shard."""
    template = parsed["commands"]["write"]
    return {
        shard: template.replace("[7, 11]", str(ids)).replace("shard-02of04", shard)
        for shard, ids in cut.items()
    }


def facilities_in(journal: Path) -> set[int]:
    """Return the facilities whose rows a journal has."""
    with closing(sqlite3.connect(journal)) as database:
        rows = database.execute("SELECT DISTINCT facility_id FROM entries").fetchall()
    return {facility for (facility,) in rows}


def test_shards_that_write_at_once_share_no_facility(
    airflow: Airflow, parsed: dict[str, Any], start_sandbox: StartSandbox
) -> None:
    """Each row is written once, by the shard of its facility, with that shard's own journal."""
    clinics = start_sandbox()
    airflow.environment["TAP_BOOKIO_API_URL"] = clinics.url
    cut = shards(airflow)
    commands = commands_of(parsed, cut)
    assert len(commands) > 1
    assert write_back(airflow, clinics, *commands.values()) == [0] * len(commands)
    written = [r for r in clinics.requests() if r["operation"] == "create_blocked_time"]
    numbers = {row["id"] for row in clinics.rows("facilities")}
    assert len(written) == len(numbers)
    assert numbers <= by_external_id(clinics, "blocked_times").keys()
    journals = {s: facilities_in(airflow.checkout / f".bookio/{s}/journal.sqlite3") for s in cut}
    assert journals == {shard: set(ids) for shard, ids in cut.items()}


def test_a_shard_refuses_rows_of_other_shards(
    airflow: Airflow, parsed: dict[str, Any], start_sandbox: StartSandbox
) -> None:
    """The second guard, where a warehouse sends all rows to one shard."""
    clinics = start_sandbox()
    airflow.environment["TAP_BOOKIO_API_URL"] = clinics.url
    cut = shards(airflow)
    shard, ids = next(iter(cut.items()))
    command = re.sub(r"'TAP_WAREHOUSE_FACILITY_IDS=[^']*' ", "", commands_of(parsed, cut)[shard])
    assert write_back(airflow, clinics, command) == [3]
    assert by_external_id(clinics, "blocked_times").keys() & {
        row["id"] for row in clinics.rows("facilities")
    } == set(ids)
