"""The output of a run: the plan of a dry run, results, rejects."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli import Target, by_external_id, writes

if TYPE_CHECKING:
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

MOVED = "2027-01-07T09:00:00"


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=20, seed=5, capacity_check=False, duplicate_check=False)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_dry_run_shows_old_and_new_and_who_gets_an_email(target: Target) -> None:
    """A person can judge a plan: the terms and statuses that change, and the e-mails."""
    assert target([target.booking(n) for n in range(3)]).code == 0
    wishes = [
        target.booking(0, dateFrom=MOVED),
        target.booking(1, status="CANCELLED"),
        target.booking(2, status="DID_NOT_COME"),
        target.booking(3),
    ]
    shown = target(wishes, dry_run=True)
    assert shown.code == 0, shown.stderr
    assert f"dateFrom 2026-12-01T08:00:00 -> {MOVED}" in shown.stderr
    assert "status CONFIRMED -> CANCELLED" in shown.stderr
    assert "dateFrom (none) -> 2026-12-01T11:00:00" in shown.stderr
    assert "2 patients would get 2 (status changes); 2 more may get one" in shown.stderr
    assert "example.org" not in shown.stderr
    plan = lines(target.rejects.with_name("plan.jsonl"))
    [moved] = [line for line in plan if line["key"] == {"externalId": 9_000_000}]
    change = {"field": "dateFrom", "old": "2026-12-01T08:00:00", "new": MOVED}
    assert change in moved["changes"]


def test_the_end_of_a_dry_run_is_marked_as_such(target: Target) -> None:
    """The last lines show, to people and programs, that nothing was written."""
    dry, real = target([target.booking(0)], dry_run=True), target([target.booking(0)])
    assert "DRY RUN, nothing was written" in dry.stderr.splitlines()[-1]
    [summary] = [line for line in dry.stderr.splitlines() if "summary: " in line]
    assert "dry run, nothing was written" in summary
    assert "dry run" not in real.stderr.casefold()
    assert real.stderr.splitlines()[-1].startswith("target-bookio: 1 created, ")


def test_results_have_the_outcome_of_every_record(
    target: Target, clinic: Sandbox, tmp_path: Path
) -> None:
    """A program can follow each record: its outcome, Bookio's id, the code of a refusal."""
    path = tmp_path / "out/results.jsonl"
    target([target.booking(0), target.booking(1)], results_path=str(path))
    records = [
        target.booking(0),
        target.booking(1, status="CANCELLED"),
        target.booking(2, serviceId=1),
        target.booking(3, locale=7),
    ]
    assert target(records, results_path=str(path)).code == 3
    results = lines(path)
    assert len({line["run"] for line in results}) == 2
    by_key = {line["key"]["externalId"]: line for line in results}
    outcomes = [by_key[9_000_000 + n]["outcome"] for n in range(4)]
    assert outcomes == ["unchanged", "changed", "rejected", "rejected"]
    row = by_external_id(clinic)[9_000_001]
    assert by_key[9_000_001]["id"] == row["id"]
    assert by_key[9_000_001]["operation"] == "change_reservation_status"
    assert by_key[9_000_002]["code"] == 12
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not {"Jana", "example.org", "905123456"} & set(path.read_text().split('"'))


def test_a_dry_run_writes_no_results(target: Target, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    assert target([target.booking(0)], dry_run=True, results_path=str(path)).code == 0
    assert not path.exists()


def test_known_rejects_do_not_stop_new_bookings(target: Target, clinic: Sandbox) -> None:
    """Known rejects are counted, but neither written again nor a reason to stop."""
    bad = [target.booking(n, locale=7) for n in range(5)]
    assert target(bad, max_rejects=4).code == 1
    done = target([*bad, target.booking(9)], max_rejects=4)
    assert done.code == 3, done.stderr
    assert "5 rejected (5 of them known from earlier)" in done.stderr
    assert 9_000_009 in by_external_id(clinic)
    assert len(target.rejected()) == 5
    assert target([*bad, target.booking(0, locale=8)], max_rejects=0).code == 1, "this one is new"


def test_a_conflict_stays_in_the_reject_file(target: Target, clinic: Sandbox) -> None:
    """STATE passes a conflict, so a file must keep it; the exit code stays 0."""
    target([target.booking(0)])
    key = by_external_id(clinic)[9_000_000]["id"]
    clinic.change("reservations", key, dateFrom="2027-02-01T08:00:00")
    for _ in range(2):
        done = target([target.booking(0, dateFrom=MOVED)])
        assert done.code == 0, done.stderr
    [line] = target.rejected()
    assert (line["reason"], line["key"]) == ("conflict", {"externalId": 9_000_000})
    assert "1 conflicts, 0 rejected" in done.stderr


def test_a_reject_names_what_is_expected(target: Target, clinic: Sandbox) -> None:
    """The message contains the expected form, not only that the value is invalid."""
    target([target.booking(0, dateFrom="1.12.2026"), target.booking(1, status="gone")])
    messages = [line["message"] for line in target.rejected()]
    assert "expected a date and time such as 2026-12-01T08:00:00" in messages[0]
    assert "expected one of CONFIRMED, CANCELLED, DID_NOT_COME" in messages[1]
    assert writes(clinic) == []


def booked_block(target: Target) -> dict[str, Any]:
    """Return a blocked time over the first booking."""
    return target.block(0, dateFrom="2026-12-01T07:00:00", dateTo="2026-12-01T12:00:00")


@pytest.mark.parametrize("choice", ["ignore", "warn", "reject"])
def test_a_blocked_time_over_bookings_is_reported(
    target: Target, clinic: Sandbox, choice: str
) -> None:
    """Blocking a time in which patients come warns, and with ``reject`` is not written."""
    assert target([target.booking(0)]).code == 0
    row = by_external_id(clinic)[9_000_000]
    shown = target([booked_block(target)], "blocked_times", dry_run=True, on_overlap=choice)
    done = target([booked_block(target)], "blocked_times", on_overlap=choice)
    for run in (shown, done):
        assert run.code == (3 if choice == "reject" else 0), run.stderr
        assert (f"overlaps with id:{row['id']}" in run.stderr) == (choice != "ignore")
    assert f"overlap: {int(choice != 'ignore')}" in shown.stderr
    is_there = 7_000_000 in by_external_id(clinic, "blocked_times")
    assert is_there == (choice != "reject")
    if choice == "reject":
        [line] = target.rejected()
        assert line["reason"] == "overlap"


def one_too_many(target: Target, clinic: Sandbox) -> list[dict[str, Any]]:
    """Return bookings for one term, one more than its capacity."""
    [capacity] = {
        service["capacity"]
        for calendar in clinic.rows("calendars")
        for service in calendar["services"]
        if service["id"] == target.service
    }
    start = target.booking(0)["dateFrom"]
    return [target.booking(n, dateFrom=start) for n in range(capacity + 1)]


def test_a_booking_that_bookio_refuses_takes_up_no_term(target: Target, clinic: Sandbox) -> None:
    """With ``reject``, its response is awaited before a booking that overlaps with it is judged."""
    many = one_too_many(target, clinic)
    clinic.script("create_reservation", {"code": 10})
    done = target(many, on_overlap="reject")
    assert f"{len(many) - 1} created" in done.stderr
    [line] = target.rejected()
    assert line["reason"] == "refused"


def test_more_bookings_in_a_term_than_the_capacity_are_reported(
    target: Target, clinic: Sandbox
) -> None:
    """The one too many is not written with ``reject``, also if the run itself books the others."""
    many = one_too_many(target, clinic)
    capacity = len(many) - 1
    done = target(many, on_overlap="reject")
    assert done.code == 3, done.stderr
    assert f"{capacity} created" in done.stderr
    [line] = target.rejected()
    assert line["reason"] == "overlap"


def test_bookings_side_by_side_do_not_overlap(target: Target) -> None:
    """Negative control: what does not overlap is neither reported nor rejected."""
    done = target([target.booking(n) for n in range(4)], on_overlap="reject")
    assert done.code == 0, done.stderr
    assert "overlap" not in done.stderr
    far = target.block(0, dateFrom="2026-12-02T07:00:00", dateTo="2026-12-02T12:00:00")
    assert target([far], "blocked_times", on_overlap="reject").code == 0


def test_a_failed_check_for_overlaps_stops_nothing(target: Target, clinic: Sandbox) -> None:
    clinic.behave(forbid=["list_calendars"])
    done = target([target.booking(0)], on_overlap="reject")
    assert done.code == 0, done.stderr
    assert "overlaps cannot be checked" in done.stderr


def test_a_connection_test_says_which_writes_are_allowed(target: Target) -> None:
    """``--test`` knows it from writes that succeeded, and says of the others that it does not."""
    before = target([], "reservations", "--test")
    assert "create_reservation: not known, never written from here" in before.stderr
    target([target.booking(0)])
    after = target([], "reservations", "--test")
    assert after.code == 0
    assert "create_reservation: allowed, last written from here on 20" in after.stderr
    assert "confirm_sync: not known, never written from here; its path is a guess" in after.stderr


def test_a_stale_source_reverts_nobodys_change(target: Target, clinic: Sandbox) -> None:
    """A record with its source's last read value is a conflict if Bookio's value differs."""
    target([target.booking(0)])
    key = by_external_id(clinic)[9_000_000]["id"]
    target.journal.unlink()  # so that only the record itself can tell that it is stale
    clinic.change("reservations", key, dateFrom="2027-02-01T08:00:00")
    read = {"dateFrom": "2026-12-01T08:00:00", "status": "CONFIRMED"}
    stale = target.booking(0, dateFrom=MOVED, _bookio_expected=read)
    done = target([stale])
    assert "1 conflicts" in done.stderr, done.stderr
    assert by_external_id(clinic)[9_000_000]["dateFrom"] == "2027-02-01T08:00:00"
