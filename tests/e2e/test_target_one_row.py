"""A record finds its row by either of its numbers, whoever changed it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli import Target, by_external_id, writes

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

GONE = {"_sdc_deleted_at": "2026-11-01T00:00:00Z"}


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=20, seed=5, capacity_check=False, duplicate_check=False)


def taken_over(target: Target, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Insert a patient's booking; return a record that confirms it, and a full record."""
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


def test_a_later_run_recognises_a_lost_creation_without_external_id(
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


def test_a_row_with_another_external_id_is_not_touched(target: Target, clinic: Sandbox) -> None:
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
def test_a_row_without_external_id_or_response_is_matched_by_its_booking(
    target: Target, clinic: Sandbox, change: dict[str, Any]
) -> None:
    """Rule 21: facility, service, start and person tell which row a creation became."""
    clinic.behave(hide=["externalId"], write_answer="nothing")
    assert target([target.booking(0)]).code == 0
    assert "1 unchanged" in target([target.booking(0)]).stderr
    changed = target([target.booking(0, **change), target.booking(1), target.booking(1, **change)])
    assert changed.code == 0, changed.stderr
    assert writes(clinic).count("create_reservation") == 2
    assert len(writes(clinic)) == 4


def test_a_row_that_a_person_removed_stays_removed_unless_source_wins(
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


def test_a_row_that_the_source_removed_can_be_restored(target: Target, clinic: Sandbox) -> None:
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


def test_a_new_record_followed_by_an_old_one_is_written(target: Target, clinic: Sandbox) -> None:
    target([target.booking(0)])
    number = {"externalId": 9_000_000}
    confirmed = {**number, "status": "CONFIRMED"}
    assert target([confirmed]).code == 0
    moved = target([{**number, "dateFrom": "2027-01-07T09:00:00"}, confirmed])
    assert "1 changed" in moved.stderr
    assert by_external_id(clinic)[9_000_000]["dateFrom"] == "2027-01-07T09:00:00"


def test_a_rejected_last_record_does_not_restore_an_older_one(
    target: Target, clinic: Sandbox
) -> None:
    refusal = {"result": {"success": False, "errors": ["full"], "errorCode": 30}}
    full = {"status": 400, "body": json.dumps(refusal), "times": 9}
    clinic.script("change_reservation_term", full)
    history = [
        target.booking(0),
        target.booking(0, status="CANCELLED"),
        target.booking(0, status="CONFIRMED"),
        target.booking(0, dateFrom="2027-01-07T09:00:00"),
    ]
    for _ in range(3):
        assert target(history).code == 3
    assert sum(mail["kind"] == "CANCELLED" for mail in clinic.emails()) == 1


@pytest.mark.parametrize("answer", ["nothing", "id"])
def test_records_under_both_numbers_keep_their_order(
    target: Target, clinic: Sandbox, answer: str
) -> None:
    clinic.behave(write_answer=answer)
    target([target.booking(0)])
    key = by_external_id(clinic)[9_000_000]["id"]
    days = [f"2027-01-{day:02}T09:00:00" for day in (4, 5, 6)]
    numbers = ({"externalId": 9_000_000}, {"id": key}, {"externalId": 9_000_000})
    wishes = [{**number, "dateFrom": day} for number, day in zip(numbers, days, strict=True)]
    shown = target(wishes, dry_run=True)
    done = target(wishes)
    assert "3 changed" in shown.stderr, "a dry run goes the same way"
    assert "3 changed" in done.stderr
    assert "0 conflicts" in done.stderr
    assert by_external_id(clinic)[9_000_000]["dateFrom"] == days[-1]
    before = len(writes(clinic))
    assert "3 unchanged" in target(wishes).stderr
    assert len(writes(clinic)) == before


def test_a_persons_change_prevents_a_removal(target: Target, clinic: Sandbox) -> None:
    target([target.booking(0)])
    row = by_external_id(clinic)[9_000_000]
    clinic.change("reservations", row["id"], status="DID_NOT_COME")
    kept = target([target.booking(0, **GONE)])
    assert "1 conflicts" in kept.stderr
    assert by_external_id(clinic)[9_000_000]["status"] == "DID_NOT_COME"
    assert target([target.booking(0, **GONE)], conflict="source_wins").code == 0
    assert by_external_id(clinic)[9_000_000]["status"] == "CANCELLED"
