"""Round trip: changes in a warehouse that a real loader filled reach Bookio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from bookio_sandbox.running import Sandbox, in_thread
from tests.cli import Run, Tap, Target, run, writes
from tests.loaders import SCHEMA, DuckDb, Postgres
from tests.warehouses import Warehouse, postgres_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STREAMS = ("calendars", "reservations", "blocked_times")


class Clinic(NamedTuple):
    """Bookio, and a warehouse into which all of it was loaded."""

    sandbox: Sandbox
    warehouse: Warehouse


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def clinic(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Clinic]:
    folder = tmp_path_factory.mktemp("clinic")
    with in_thread(size=120, seed=11) as sandbox:
        synced = Tap(sandbox, folder)()
        assert synced.code == 0, synced.stderr
        if request.param == "duckdb":
            loader = DuckDb(folder, batch=10_000)
            warehouse = Warehouse(folder, {"filepath": str(loader.file)})
        else:
            port = request.getfixturevalue("postgres_port")
            loader = Postgres(folder, batch=10_000, port=port)
            warehouse = postgres_warehouse(folder, port, schema=SCHEMA)
        assert loader.load(synced.stdout).code == 0
        yield Clinic(sandbox, warehouse)


def send(clinic: Clinic, rows: Run, folder: Path, **settings: Any) -> Run:
    assert rows.code == 0, rows.stderr
    command = Target(clinic.sandbox, folder).command(**settings)
    return run("target-bookio", *command[1:], stdin=rows.stdout)


def test_sending_back_loaded_rows_changes_nothing(clinic, tmp_path) -> None:
    before = writes(clinic.sandbox)
    rows = clinic.warehouse.tap(**{stream: f"TABLE {stream}" for stream in STREAMS})
    for stream in STREAMS:
        assert len(rows.records(stream)) == len(clinic.sandbox.rows(stream)) > 0
    done = send(clinic, rows, tmp_path)
    assert done.code == 0, done.stderr
    count = sum(len(rows.records(stream)) for stream in STREAMS)
    assert f"0 changed, 0 confirmed, 0 removed, {count} unchanged" in done.stderr
    assert writes(clinic.sandbox) == before


def test_utc_mistaken_for_local_time_would_move_bookings(clinic, tmp_path) -> None:
    select = "SELECT * FROM reservations WHERE status = 'CONFIRMED'"
    rows = clinic.warehouse.tap(settings={"naive_timestamps": "facility"}, reservations=select)
    done = send(clinic, rows, tmp_path, dry_run=True)
    assert "change_reservation_term" in done.stderr


def test_a_term_that_is_moved_in_the_warehouse_is_moved_in_bookio(clinic, tmp_path) -> None:
    """A table that SQL made of what was loaded moves one row a week on, and back again."""
    confirmed = [r for r in clinic.sandbox.rows("reservations") if r["status"] == "CONFIRMED"]
    row = max(confirmed, key=lambda r: r["dateFrom"])  # a week later the offset is the same
    clinic.warehouse.execute(
        f"""CREATE TABLE wanted AS
            SELECT id, "facilityId", "dateFrom" + INTERVAL '7 days' AS date_from,
                   "dateTo" + INTERVAL '7 days' AS date_to
            FROM reservations WHERE id = {row["id"]}"""  # noqa: S608 - a number
    )
    sent = send(clinic, clinic.warehouse.tap(reservations="SELECT * FROM wanted"), tmp_path)
    assert "1 changed" in sent.stderr
    moved = of_bookio(clinic, row["id"])
    assert moved["dateFrom"][10:] == row["dateFrom"][10:]
    assert moved["dateFrom"][:10] > row["dateFrom"][:10]
    again = send(clinic, clinic.warehouse.tap(reservations="SELECT * FROM wanted"), tmp_path)
    assert "0 changed, 0 confirmed, 0 removed, 1 unchanged" in again.stderr

    as_it_was = f"SELECT * FROM reservations WHERE id = {row['id']}"  # noqa: S608 - a number
    send(clinic, clinic.warehouse.tap(reservations=as_it_was), tmp_path)
    assert of_bookio(clinic, row["id"])["dateFrom"] == row["dateFrom"]


def of_bookio(clinic: Clinic, number: int) -> dict[str, Any]:
    [row] = [row for row in clinic.sandbox.rows("reservations") if row["id"] == number]
    return row
