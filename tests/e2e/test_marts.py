"""The marts' figures match Bookio, in DuckDB and PostgreSQL; the report can be drawn."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bookio_sandbox.running import in_thread
from tests.cli import Tap
from tests.loaders import DBT, ROOT, SCHEMA, DuckDb, Postgres, missing, postgres_server, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bookio_sandbox.running import Sandbox

CHROMIUM = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=20000",
    "--enable-logging=stderr",
    "--dump-dom",
]


class Warehouse:
    """A loaded warehouse with its marts."""

    def __init__(self, dsn: str, sandbox: Sandbox, environment: dict[str, str]) -> None:
        self.dsn = dsn
        self.sandbox = sandbox
        self._environment = {**os.environ, **environment, "DO_NOT_TRACK": "1"}

    def build(self, folder: Path) -> None:
        """Run ``dbt build``: models, snapshots and tests."""
        where = [
            "--project-dir",
            str(ROOT / "transform"),
            "--profiles-dir",
            str(ROOT / "transform"),
        ]
        out = ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
        done = subprocess.run(
            [str(DBT / "dbt"), "build", *where, *out],
            capture_output=True,
            text=True,
            check=False,
            env=self._environment,
        )
        assert done.returncode == 0, done.stdout[-3000:]
        assert re.search(r"ERROR=0 SKIP=0", done.stdout)

    def query(self, sql: str) -> list[list[Any]]:
        """Return the rows of a query, numbers as numbers and the rest as text."""
        return rows_of(DBT / "python", self.dsn, sql)


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def warehouse(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    """Load a clinic, let a day pass, load again with deletions and the log of scans."""
    folder = tmp_path_factory.mktemp("warehouse")
    if not (DBT / "dbt").exists():
        missing("dbt")
    with in_thread(size=600, seed=5) as sandbox:
        first = sandbox.rows("reservations")[0]["id"]
        sandbox.change("reservations", first, note="before\0after")
        if request.param == "duckdb":
            loader = DuckDb(folder, batch=10_000)
            environment = {"BOOKIO_WAREHOUSE": str(loader.file)}
            yield _loaded(Warehouse(str(loader.file), sandbox, environment), loader.load, folder)
            return
        with postgres_server() as port:
            loader = Postgres(folder, batch=10_000, port=port)
            names = {
                "HOST": "127.0.0.1",
                "PORT": str(port),
                "USER": "postgres",
                "PASSWORD": "none",  # pragma: allowlist secret
                "DATABASE": "postgres",
            }
            environment = {f"TARGET_POSTGRES_{name}": text for name, text in names.items()}
            dsn = f"host=127.0.0.1 port={port} user=postgres dbname=postgres"
            made = Warehouse(dsn, sandbox, {"BOOKIO_DBT_TARGET": "postgres", **environment})
            yield _loaded(made, loader.load, folder)


def _loaded(warehouse: Warehouse, load: Callable[[str], Any], folder: Path) -> Warehouse:
    tap, state = Tap(warehouse.sandbox, folder), None
    # A run of more than a few seconds: what it read first must not seem older than its last scan.
    warehouse.sandbox.behave(latency_ms=400)
    for days in (0, 1):
        warehouse.sandbox.advance(days=days)
        synced = tap(state=state, detect_deletions=True, scan_log=True, max_concurrency=1)
        assert synced.code == 0, synced.stderr
        state = synced.state
        load(synced.stdout)
        warehouse.build(folder)
    return warehouse


def test_a_text_with_nul_is_loaded_into_every_warehouse(warehouse: Warehouse) -> None:
    """PostgreSQL takes no NUL, and one would end the whole load."""
    schema = SCHEMA if "=" in warehouse.dsn else "main"
    found = warehouse.query(f"SELECT note FROM {schema}.reservations WHERE note LIKE 'before%'")  # noqa: S608 - our own text
    assert found == [["before\ufffdafter"]]


def begun(warehouse: Warehouse) -> list[dict[str, Any]]:
    """Return Bookio's reservations whose term has begun, as of the marts' own moment."""
    [[as_of]] = warehouse.query("SELECT max(extracted_at) FROM staging.stg_reservations")
    now = datetime.fromisoformat(as_of)
    zones = {f["id"]: f["timeZone"] for f in warehouse.sandbox.rows("facilities")}
    assert set(zones.values()) <= {"Europe/Bratislava", "Europe/Prague", "Atlantic/Canary"}
    return [
        row
        for row in warehouse.sandbox.rows("reservations")
        # The sandbox's clock is behind ours, so nothing begins between the two zones' offsets.
        if datetime.fromisoformat(row["dateFrom"]) < now + timedelta(hours=2)
    ]


def test_no_shows_are_those_of_bookio(warehouse: Warehouse) -> None:
    statuses = Counter(row["status"] for row in begun(warehouse))
    [[reservations, cancelled, expected, no_shows]] = warehouse.query(
        "SELECT CAST(sum(reservations) AS int), CAST(sum(cancelled) AS int), "
        "CAST(sum(expected) AS int), CAST(sum(no_shows) AS int) FROM marts.no_show"
    )
    assert no_shows == statuses["DID_NOT_COME"]
    assert cancelled == statuses["CANCELLED"]
    assert expected == statuses["CONFIRMED"] + statuses["DID_NOT_COME"]
    assert reservations == statuses.total()


def test_bookings_a_day_are_those_of_bookio(warehouse: Warehouse) -> None:
    booked = Counter(
        (row["facilityId"], row["created"][:10]) for row in warehouse.sandbox.rows("reservations")
    )
    rows = warehouse.query("SELECT facility_id, day, bookings FROM marts.bookings_daily")
    assert {(facility, day[:10]): count for facility, day, count in rows} == booked


def is_open(intervals: list[dict[str, str]], moment: datetime) -> bool:
    """Return whether a wall time is in one of a calendar's opening intervals."""
    day, time = moment.strftime("%A").upper(), moment.strftime("%H:%M")
    return any(i["day"] == day and i["from"] <= time < i["to"] for i in intervals)


def test_booked_minutes_are_those_of_bookio(warehouse: Warehouse) -> None:
    """Each term is in its local hours, and takes the share of its service's capacity."""
    offers = {
        service["id"]: (service["capacity"], calendar["intervals"])
        for calendar in warehouse.sandbox.rows("calendars")
        for service in calendar["services"]
    }
    [[last]] = warehouse.query("SELECT max(day) FROM marts.utilisation")
    expected = sum(
        row["duration"] / offers[row["serviceId"]][0]
        for row in warehouse.sandbox.rows("reservations")
        if row["status"] != "CANCELLED"
        and row["dateFrom"][:10] <= last[:10]
        and is_open(offers[row["serviceId"]][1], datetime.fromisoformat(row["dateFrom"]))
    )
    [[booked]] = warehouse.query(
        "SELECT CAST(sum(booked_minutes) AS double precision) FROM marts.utilisation"
    )
    assert booked == pytest.approx(expected, rel=0.002), "minutes are rounded to a tenth"


def test_patients_are_identified_by_their_address(warehouse: Warehouse) -> None:
    visits = [row for row in begun(warehouse) if row["status"] == "CONFIRMED"]
    [[counted, patients]] = warehouse.query(
        "SELECT CAST(sum(visits) AS int), CAST(sum(new_patients) AS int) FROM marts.patients"
    )
    assert counted == len(visits)
    assert patients == len({(row["facilityId"], row["email"].lower()) for row in visits})


def test_moves_between_two_loads_are_in_the_history(warehouse: Warehouse) -> None:
    [[moved]] = warehouse.query("SELECT count(*) FROM marts.reschedules WHERE moves > 0")
    [[versions]] = warehouse.query("SELECT max(versions) FROM marts.reschedules")
    assert moved > 0
    assert versions == 2


def test_a_removed_blocked_time_is_deleted_with_every_loader(warehouse: Warehouse) -> None:
    """The log of scans shows what the last complete full scan did not see."""
    left = warehouse.query("SELECT blocked_time_id FROM staging.stg_blocked_times")
    assert {key for [key] in left} == {row["id"] for row in warehouse.sandbox.rows("blocked_times")}


@pytest.mark.parametrize("width", [1200, 380])
def test_the_report_draws_in_a_browser(warehouse: Warehouse, tmp_path: Path, width: int) -> None:
    """Every chart is drawn without an error on the console, at a phone's width too."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        missing("chromium")
    output = tmp_path / "report"
    command = [str(DBT / "python"), str(ROOT / "transform/report.py")]
    subprocess.run([*command, "--database", warehouse.dsn, "--output", str(output)], check=True)
    assert output.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    page = output.with_suffix(".html")
    assert not re.search(r"(src|href)=[\"']?https?://", page.read_text()), "it needs no network"
    drawn = subprocess.run(
        [
            str(chromium),
            *CHROMIUM,
            f"--window-size={width},2400",
            f"--user-data-dir={tmp_path / 'profile'}",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert 'data-charts="5"' in drawn.stdout
    assert len(re.findall(r'<svg[^>]*class="marks"', drawn.stdout)) == 5
    assert "CONSOLE" not in drawn.stderr
