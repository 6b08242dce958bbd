"""Write-back in shards: the journal when one shard becomes two."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from bookio_shards.assignment import assign
from tests.cli import Target, writes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartSandbox


def test_a_copied_journal_can_be_used_and_a_new_one_reports_differences_as_conflicts(
    start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    """Each copy has the agreed values: a booking that the source moves is moved once."""
    sandbox = start_sandbox()
    target = Target(sandbox, tmp_path)
    bookings = [
        target.booking(
            n, facilityId=calendar["facilityId"], serviceId=calendar["services"][0]["id"]
        )
        for n, calendar in enumerate(sandbox.rows("calendars"))
    ]
    assert target(bookings).code == 0
    moved = [booking | {"dateFrom": "2026-12-21T08:00:00+01:00"} for booking in bookings]
    shards = {s.name: ids for s, ids in assign((b["facilityId"] for b in bookings), 2).items()}
    assert all(shards.values())

    def run_shards(suffix: str) -> str:
        runs = []
        for name, ids in shards.items():
            own = [booking for booking in moved if booking["facilityId"] in ids]
            journal = str(tmp_path / f"{name}{suffix}")
            runs.append(target(own, facility_ids=ids, journal_path=journal))
        assert [each.stderr for each in runs if each.code] == []
        return "".join(each.stderr for each in runs)

    assert run_shards(".new").count("conflict, not written") == len(bookings)
    assert writes(sandbox) == ["create_reservation"] * len(bookings)
    for name in shards:
        copy(target.journal, tmp_path / f"{name}.copy")
    assert "conflict, not written" not in run_shards(".copy")
    run_shards(".copy")
    assert writes(sandbox)[len(bookings) :] == ["change_reservation_term"] * len(bookings)


def copy(journal: Path, to: Path) -> None:
    with sqlite3.connect(journal) as source, sqlite3.connect(to) as destination:
        source.backup(destination)
    to.chmod(0o600)
