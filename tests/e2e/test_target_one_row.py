"""One row of Bookio stays one, whichever of its numbers a record has and whoever changed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cli import Target, writes

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

GONE = {"_sdc_deleted_at": "2026-11-01T00:00:00Z"}


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=20, seed=5, capacity_check=False, duplicate_check=False)


def taken_over(target: Target, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Insert a patient's own booking; return what confirms it, and all that the clinic knows."""
    known = target.booking(number)
    row = {**known, "externalId": None, "dateFrom": known["dateFrom"][:19]}
    key = target.sandbox.insert("reservations", **row)
    return {"id": key, "externalId": known["externalId"]}, known


def test_a_confirmed_booking_is_not_booked_again_under_its_new_number(
    target: Target, clinic: Sandbox
) -> None:
    confirming, known = taken_over(target, 0)
    done = target([confirming, known, {**known, "status": "CANCELLED"}])
    assert done.code == 0, done.stderr
    assert writes(clinic) == ["confirm_sync", "change_reservation_status"]


def test_nor_in_a_later_run_where_lists_show_no_external_id(
    target: Target, clinic: Sandbox
) -> None:
    clinic.behave(hide=["externalId"])
    confirming, known = taken_over(target, 0)
    assert target([confirming]).code == 0
    again = target([known, {**known, "status": "CANCELLED"}])
    assert again.code == 0, again.stderr
    assert writes(clinic) == ["confirm_sync", "change_reservation_status"]
    later = target([{"id": confirming["id"], "dateFrom": known["dateFrom"], "status": "CANCELLED"}])
    assert "1 unchanged" in later.stderr


def test_two_records_of_one_row_send_one_cancellation(target: Target, clinic: Sandbox) -> None:
    target([target.booking(0)])
    [row] = [row for row in clinic.rows("reservations") if row["externalId"] == 9_000_000]
    before = len(clinic.emails())
    by_id = {"id": row["id"], "status": "CANCELLED", "cancellationReason": "ill"}
    target.journal.unlink()
    done = target([target.booking(0, status="CANCELLED"), by_id])
    assert done.code == 0, done.stderr
    assert "1 changed, 0 confirmed, 0 removed, 1 unchanged" in done.stderr
    assert len(clinic.emails()) == before + 1


def test_a_row_of_another_number_is_left_alone(target: Target, clinic: Sandbox) -> None:
    """A record that names two rows at once is refused, and the next one is not misled by it."""
    target([target.booking(0), target.booking(1)])
    rows = {row["externalId"]: row["id"] for row in clinic.rows("reservations")}
    mixed_up = {"id": rows[9_000_000], "externalId": 9_000_001}
    done = target([mixed_up, target.booking(1, status="CANCELLED")])
    assert done.code == 3, done.stderr
    states = {row["id"]: row["status"] for row in clinic.rows("reservations")}
    assert states[rows[9_000_000]] == "CONFIRMED"
    assert states[rows[9_000_001]] == "CANCELLED"


@pytest.mark.parametrize("change", [{"dateFrom": "2027-01-07T09:00:00"}, GONE])
def test_what_no_list_shows_is_never_sent_again(
    target: Target, clinic: Sandbox, change: dict[str, Any]
) -> None:
    clinic.behave(hide=["externalId"], write_answer="nothing")
    assert target([target.booking(0)]).code == 0
    assert "1 unchanged" in target([target.booking(0)]).stderr
    changed = target([target.booking(0, **change), target.booking(1), target.booking(1, **change)])
    assert changed.code == 3, changed.stderr
    assert writes(clinic) == ["create_reservation"] * 2
    assert len(target.rejected()) == 2


def test_what_a_person_removed_stays_removed_unless_the_source_shall_win(
    target: Target, clinic: Sandbox
) -> None:
    target([target.block(0)], "blocked_times")
    [row] = [row for row in clinic.rows("blocked_times") if row["externalId"] == 7_000_000]
    clinic.remove("blocked_times", row["id"])
    for record in (target.block(0), target.block(0, dateTo="2026-12-01T15:00:00")):
        kept = target([record], "blocked_times")
        assert kept.code == 0
        assert "1 conflicts" in kept.stderr
    assert writes(clinic) == ["create_blocked_time"]
    assert target([target.block(0)], "blocked_times", conflict="source_wins").code == 0
    assert writes(clinic) == ["create_blocked_time"] * 2


def test_what_the_source_removed_can_come_back(target: Target, clinic: Sandbox) -> None:
    target([target.block(0)], "blocked_times")
    [row] = [row for row in clinic.rows("blocked_times") if row["externalId"] == 7_000_000]
    clinic.remove("blocked_times", row["id"])
    assert "1 unchanged" in target([target.block(0, **GONE)], "blocked_times").stderr
    back = target([target.block(0)], "blocked_times")
    assert "1 created" in back.stderr


def test_the_same_record_again_does_not_hide_a_persons_change(
    target: Target, clinic: Sandbox
) -> None:
    target([target.booking(0)])
    [row] = [row for row in clinic.rows("reservations") if row["externalId"] == 9_000_000]
    clinic.change("reservations", row["id"], dateFrom="2027-02-01T08:00:00")
    again = target([target.booking(0)])
    assert again.code == 0
    assert "1 conflicts" in again.stderr
    assert writes(clinic) == ["create_reservation"]
