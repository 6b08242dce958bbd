"""Writes stay correct in every form of lists and responses (many are U)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli import Target, by_external_id, run, singer_lines, writes

if TYPE_CHECKING:
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

LOST, LOST_AFTER = {"drop": "reset"}, {"drop": "reset", "apply": True}


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=20, seed=5, capacity_check=False, duplicate_check=False)


def cancelled(clinic: Sandbox) -> int:
    return sum(mail["kind"] == "CANCELLED" for mail in clinic.emails())


@pytest.mark.parametrize("key", ["service", "facility", "reservation"])
def test_an_unrelated_id_in_a_response_is_not_taken_for_the_new_row(
    target: Target, clinic: Sandbox, key: str
) -> None:
    victim = clinic.insert("reservations", facilityId=target.facility, status="CONFIRMED")
    data = {"number": "a47b89", key: {"id": victim, "externalId": 1, "name": "x"}}
    answer = {"result": {"success": True, "data": data}}
    clinic.script("create_reservation", {"body": json.dumps(answer), "apply": True})
    done = target([target.booking(0), target.booking(0, status="CANCELLED")])
    assert done.code == 0, done.stderr
    states = {row["id"]: row["status"] for row in clinic.rows("reservations")}
    assert states[victim] == "CONFIRMED"
    assert by_external_id(clinic)[9_000_000]["status"] == "CANCELLED"


def test_a_booking_at_another_facility_is_not_made_twice(target: Target, clinic: Sandbox) -> None:
    other = clinic.rows("facilities")[1]["id"]
    assert target([target.booking(0)]).code == 0
    for lost in (False, True):
        if lost:
            target.journal.unlink()
        moved = target([target.booking(0, facilityId=other)])
        assert moved.code == 3
        assert target.rejected()[-1]["fields"] == ["facilityId"]
    assert writes(clinic) == ["create_reservation"]


def test_a_lost_cancellation_that_no_list_shows_is_not_sent_again(
    target: Target, clinic: Sandbox
) -> None:
    target([target.booking(0)])
    clinic.behave(hide=["status"])
    clinic.script("change_reservation_status", LOST_AFTER)
    before = cancelled(clinic)
    off = target.booking(0, status="CANCELLED")
    assert target([off]).code == 3, "it cannot be determined"
    assert "1 conflicts" in target([off]).stderr, "so what is agreed is unknown (rule 10)"
    assert cancelled(clinic) == before + 1


def test_a_status_that_no_list_shows_is_remembered(target: Target, clinic: Sandbox) -> None:
    target([target.booking(0)])
    clinic.behave(hide=["status"])
    before = cancelled(clinic)
    for reason in ("ill", "away"):
        off = target.booking(0, status="CANCELLED", cancellationReason=reason)
        assert target([off]).code == 0
    assert cancelled(clinic) == before + 1


def test_a_lost_change_of_the_end_alone_is_sent_again(target: Target, clinic: Sandbox) -> None:
    target([target.booking(0)])
    clinic.advance(seconds=5)  # beyond the clock's resolution, lastSync tells whose change it was
    clinic.script("change_reservation_term", LOST)
    longer = target.booking(0, dateTo="2026-12-01T11:00:00")
    done = target([longer])
    assert "1 retried" in done.stderr
    assert by_external_id(clinic)[9_000_000]["dateTo"] == "2026-12-01T11:00:00"
    assert "1 unchanged" in target([longer]).stderr


def test_a_lost_change_of_a_calendars_services_is_sent_again(
    target: Target, clinic: Sandbox
) -> None:
    [row, *_] = clinic.rows("calendars")
    clinic.script("modify_calendar", LOST)
    services = [{"name": "RTG", "duration": 15, "capacity": 1}]
    done = target([{"id": row["id"], "services": services}], "calendars")
    assert "1 retried" in done.stderr
    [changed] = [c for c in clinic.rows("calendars") if c["id"] == row["id"]]
    assert [service["name"] for service in changed["services"]] == ["RTG"]


def test_a_stream_sent_again_does_not_repeat_old_changes(target: Target, clinic: Sandbox) -> None:
    past = [
        target.booking(0),
        target.booking(0, status="CANCELLED"),
        target.booking(1),
        target.booking(1, dateFrom="2027-01-07T09:00:00"),
    ]
    before = cancelled(clinic)
    for _ in range(3):
        assert target(past).code == 0
    assert len(writes(clinic)) == 4
    assert cancelled(clinic) == before + 1


def test_records_before_a_new_schema_are_written_first(target: Target, clinic: Sandbox) -> None:
    moved = target.booking(0, dateFrom="2027-01-07T09:00:00")
    first = singer_lines("reservations", [target.booking(0)])
    second = singer_lines("reservations", [moved]).replace('"integer"', '"number"')
    done = run("target-bookio", *target.command()[1:], stdin=first + second)
    assert done.code == 0, done.stderr
    assert by_external_id(clinic)[9_000_000]["dateFrom"] == "2027-01-07T09:00:00"


def test_a_partly_applied_plan_is_not_a_conflict(target: Target, clinic: Sandbox) -> None:
    target([target.booking(0)])
    refusal = {"result": {"success": False, "errors": ["no"], "errorCode": 10}}
    clinic.script("change_reservation_status", {"status": 400, "body": json.dumps(refusal)})
    half = target([target.booking(0, dateFrom="2027-01-07T09:00:00", status="DID_NOT_COME")])
    assert half.code == 3
    again = target([target.booking(0, dateFrom="2027-01-08T09:00:00")])
    assert "1 changed" in again.stderr
    assert "0 conflicts" in again.stderr


def test_only_the_first_of_two_rows_gets_an_external_id(target: Target, clinic: Sandbox) -> None:
    keys = [
        clinic.insert("reservations", facilityId=target.facility, externalId=None) for _ in "ab"
    ]
    done = target([{"id": key, "externalId": 4711} for key in keys])
    assert done.code == 3, done.stderr
    assert writes(clinic) == ["confirm_sync"]


def test_a_blocked_time_that_is_removed_meanwhile_counts_as_removed(
    target: Target, clinic: Sandbox
) -> None:
    target([target.block(0)], "blocked_times")
    lost = {"status": 404, "body": "<html>", "apply": True}
    clinic.script("remove_blocked_time", lost)
    gone = target([target.block(0, _sdc_deleted_at="2026-11-01T00:00:00Z")], "blocked_times")
    assert gone.code == 0, gone.stderr
    assert "1 removed" in gone.stderr


def test_rows_that_always_fail_do_not_stop_others(target: Target, clinic: Sandbox) -> None:
    """Twelve of them in a row look like silence, the first time and every time."""
    bad = [target.booking(n, note="poison") for n in range(12)]
    clinic.script("create_reservation", {"status": 500, "times": 12 * 4})
    good = [target.booking(n) for n in range(20, 30)]
    codes = [target(bad, max_concurrency=1).code, target(bad + good).code]
    assert codes[0] == 1
    clinic.control("/script", method="DELETE")
    assert target(bad + good).code == 0
    assert len(by_external_id(clinic)) >= 22


@pytest.mark.parametrize(
    "content", ["{}\n", "[1]\n", "oops\n", '{"stream": "reservations", "key": {"id": 1}}\n', None]
)
def test_an_invalid_replay_file_is_reported_in_one_line(
    target: Target, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "repair.jsonl"
    if content is not None:
        file.write_text(content)
    refused = run("target-bookio", *target.command()[1:], "--replay", str(file))
    assert refused.code == 1
    assert len(refused.errors) == 1, refused.stderr
    assert "--replay" in refused.errors[0]


def test_files_are_created_late_and_only_in_safe_places(target: Target, tmp_path: Path) -> None:
    assert target([], "reservations", "--test").code == 0
    assert not target.journal.parent.exists(), "a test writes nothing"
    assert target([], auth_token="typo").code == 1
    assert target([target.booking(0)]).code == 0, "nor does a wrong token claim the journal"
    same = str(tmp_path / "one")
    assert "must be 3 files" in target([], journal_path=same, rejects_path=same).errors[0]
    folder, link = tmp_path / "real", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    assert "symbolic link" in target([], rejects_path=str(link / "rejects.jsonl")).errors[0]
