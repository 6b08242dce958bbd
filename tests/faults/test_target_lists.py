"""Lists that are late, miss writes, or hide ``externalId``: writes stay correct."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli import Target, by_external_id, writes

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

OTHER_DAY = "2027-01-07T09:00:00"
LARGE = 600
FEW_READS = 8
"""Requests of a run that reads changes only, two of them behind the end of a list."""
"""Enough reservations that a facility's list is not read whole each time."""


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=20, seed=5, capacity_check=False, duplicate_check=False)


def booked_online(target: Target, clinic: Sandbox, **changes: object) -> int:
    """Insert the reservation of ``target.booking(0)`` as a patient makes it; return its id."""
    booking = {**target.booking(0), "externalId": None, "dateFrom": "2026-12-01T08:00:00"}
    return clinic.insert("reservations", **{**booking, **changes})


def reads(clinic: Sandbox) -> int:
    return sum(request["method"] == "GET" for request in clinic.requests())


@pytest.mark.parametrize("lost_journal", [False, True])
def test_a_lagging_list_causes_neither_loss_nor_duplicates(
    target: Target,
    clinic: Sandbox,
    lost_journal: bool,
) -> None:
    """Rule 6: within its window a row that a list shows as it was before is held."""
    clinic.behave(list_lag=1.5)
    first = [target.booking(n) for n in range(3)]
    assert target(first, resend_after_seconds=3).code == 0
    if lost_journal:
        clinic.behave(list_lag=0)
        target.journal.unlink()
    changed = [
        target.booking(0, status="CANCELLED"),
        target.booking(1) if lost_journal else target.booking(1, dateFrom=OTHER_DAY),
        target.booking(2),
    ]
    for _ in range(2):
        done = target(changed, resend_after_seconds=3)
        assert done.code == 0, done.stderr
        assert "0 conflicts" in done.stderr
    rows = by_external_id(clinic)
    assert rows[9_000_000]["status"] == "CANCELLED"
    assert lost_journal or rows[9_000_001]["dateFrom"] == OTHER_DAY
    assert writes(clinic).count("create_reservation") == 3
    assert writes(clinic).count("change_reservation_status") == 1


def test_a_refresh_costs_changes_not_rows(start_sandbox: StartSandbox, tmp_path) -> None:
    """After the first refresh, ten rows cost at most 20 reads, in any number of batches."""
    clinic = start_sandbox(size=LARGE * 5, seed=5, capacity_check=False, duplicate_check=False)
    target = Target(clinic, tmp_path)
    assert target([target.booking(0)]).code == 0
    for bookings in ([target.booking(n) for n in range(1, 11)], [target.booking(1)]):
        before = reads(clinic)
        assert target(bookings).code == 0
        assert reads(clinic) - before <= 20


def test_a_persons_change_between_two_runs_is_seen(start_sandbox: StartSandbox, tmp_path) -> None:
    """Rule 9: the mirror is refreshed before anything is judged."""
    clinic = start_sandbox(size=LARGE * 5, seed=5, capacity_check=False, duplicate_check=False)
    target = Target(clinic, tmp_path)
    target([target.booking(0)])
    row = by_external_id(clinic)[9_000_000]
    clinic.change("reservations", row["id"], dateFrom="2027-02-01T08:00:00")
    kept = target([target.booking(0, dateFrom=OTHER_DAY)])
    assert "1 conflicts" in kept.stderr
    assert by_external_id(clinic)[9_000_000]["dateFrom"] == "2027-02-01T08:00:00"


def test_last_sync_that_misses_our_writes_is_not_trusted(
    start_sandbox: StartSandbox, tmp_path
) -> None:
    """Rule 8: whole lists are read again, with one warning, and nothing doubles."""
    clinic = start_sandbox(
        size=LARGE * 5,
        seed=5,
        capacity_check=False,
        duplicate_check=False,
        last_sync_misses_writes=True,
    )
    target = Target(clinic, tmp_path)
    bookings = [target.booking(n) for n in range(3)]
    assert target(bookings, resend_after_seconds=0.5).code == 0
    clinic.advance(seconds=60)
    again = target(bookings, resend_after_seconds=0.5)
    assert again.stderr.count("lastSync does not return") == 1
    before = reads(clinic)
    later = target(bookings, resend_after_seconds=0.5)
    assert "lastSync does not return" not in later.stderr
    assert reads(clinic) - before > FEW_READS, "the facility's list is read whole"
    assert "3 unchanged" in later.stderr
    assert writes(clinic) == ["create_reservation"] * 3


def test_last_sync_that_returns_our_writes_is_trusted(
    start_sandbox: StartSandbox, tmp_path
) -> None:
    """The control of rule 8: where it works, no list is read whole again."""
    clinic = start_sandbox(size=LARGE * 5, seed=5, capacity_check=False, duplicate_check=False)
    target = Target(clinic, tmp_path)
    bookings = [target.booking(n) for n in range(3)]
    assert target(bookings, resend_after_seconds=0.5).code == 0
    clinic.advance(seconds=60)
    before = reads(clinic)
    again = target(bookings, resend_after_seconds=0.5)
    assert "lastSync does not return" not in again.stderr
    assert reads(clinic) - before <= FEW_READS


@pytest.mark.parametrize("hiding", [{"hide": ["externalId"]}, {"hide_written_numbers": True}])
def test_hidden_external_ids_cause_no_duplicates(
    target: Target, clinic: Sandbox, hiding: dict
) -> None:
    """Rules 21 to 24: a booking's identity makes up for a lost response or journal."""
    clinic.behave(**hiding)
    clinic.script("create_reservation", {"drop": "reset", "apply": True}, {"drop": "reset"})
    bookings = [target.booking(n) for n in range(4)]
    done = target(bookings)
    assert done.code == 0, done.stderr
    assert ("shows no externalId" in done.stderr) == ("hide" in hiding), "for a new journal"
    assert len(by_external_id(clinic).keys() & {b["externalId"] for b in bookings}) == 4
    target.journal.unlink()
    again = target(bookings)
    assert "4 unchanged" in again.stderr
    assert writes(clinic).count("create_reservation") == 5


@pytest.mark.parametrize("status", [None, "CONFIRMED"])
@pytest.mark.parametrize("hidden", [[], ["externalId"]])
def test_a_patient_who_cancelled_can_be_booked_again(
    target: Target, clinic: Sandbox, hidden: list[str], status: str | None
) -> None:
    """Rule 24: a cancelled reservation is never taken for a new booking of its patient."""
    clinic.behave(hide=hidden)
    if hidden:
        assert target([target.booking(1)]).code == 0, "a journal that begins before the web booking"
        clinic.advance(seconds=60)
    booked_online(target, clinic, status="CANCELLED")
    done = target([target.booking(0, status=status)])
    assert "1 created" in done.stderr
    assert by_external_id(clinic)[9_000_000]["status"] == "CONFIRMED"


def test_a_cancelled_reservation_from_before_the_journal_is_not_booked_again(
    target: Target, clinic: Sandbox
) -> None:
    """Rule 24: with a lost journal it may be ours, cancelled by the patient, so it is rejected."""
    clinic.behave(hide=["externalId"])
    booked_online(target, clinic, status="CANCELLED")
    for _ in range(2):
        done = target([target.booking(0)])
        assert done.code == 3, done.stderr
        assert "already had a cancelled reservation" in target.rejected()[-1]["message"]
    assert writes(clinic) == []


def test_an_adopted_reservation_gets_our_external_id_where_lists_show_it(
    target: Target, clinic: Sandbox
) -> None:
    """Rule 24: a patient's own booking that the source sends, too, is confirmed in Bookio."""
    row_id = booked_online(target, clinic)
    done = target([target.booking(0, dateTo="2026-12-01T23:00:00")])
    assert done.code == 0, done.stderr
    assert by_external_id(clinic)[9_000_000]["id"] == row_id
    again = target([target.booking(0, dateTo="2026-12-01T23:00:00")])
    assert "1 unchanged" in again.stderr
    assert writes(clinic) == ["confirm_sync"]


def test_the_second_of_two_equal_bookings_waits_for_the_first(
    target: Target, clinic: Sandbox
) -> None:
    """Rule 22: two numbers for one person, service and start end as two rows."""
    clinic.behave(hide=["externalId"])
    clinic.script("create_reservation", {"drop": "reset", "apply": True})
    twins = [target.booking(0), target.booking(0, externalId=9_000_001)]
    done = target(twins)
    assert done.code == 0, done.stderr
    rows = [r["externalId"] for r in clinic.rows("reservations") if r["surname"] == "Nováková0"]
    assert sorted(rows) == [9_000_000, 9_000_001]


def test_an_external_id_at_a_facility_out_of_scope_is_not_booked_again(
    target: Target, clinic: Sandbox
) -> None:
    """Before anything is created, facilities outside ``facility_ids`` are checked, too."""
    other = clinic.rows("facilities")[1]["id"]
    clinic.insert("reservations", facilityId=other, externalId=9_000_000)
    done = target([target.booking(0)], facility_ids=[target.facility])
    assert done.code == 3, done.stderr
    assert writes(clinic) == []
