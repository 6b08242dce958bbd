"""A write lands long after its connection broke: nothing twice, and the last record wins.

Traces a, c, d, j, k, l and n of the protocol, as far as a real server can show them. R is
``resend_after_seconds``, short here.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli import Target, by_external_id, writes

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

R_S = 3.0
LATE = {"drop": "reset", "lands_after": 1.5}
NEVER = {"drop": "reset"}
LANDED = {"drop": "reset", "apply": True}
OTHER_DAY = "2027-01-07T09:00:00"
THIRD_DAY = "2027-01-08T09:00:00"


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=20, seed=5, capacity_check=False, duplicate_check=False)


def cancellations(clinic: Sandbox) -> int:
    return sum(mail["kind"] == "CANCELLED" for mail in clinic.emails())


def held(clinic: Sandbox) -> list[int]:
    numbers = (row["externalId"] for row in clinic.rows("reservations"))
    return [number for number in numbers if number is not None and number >= 9_000_000]


def change_after(clinic: Sandbox, operation: str, **row: Any) -> threading.Thread:
    """Let a person change a reservation once this operation was received."""

    def change() -> None:
        while not clinic.requests(operation):
            threading.Event().wait(0.02)
        threading.Event().wait(0.3)
        clinic.change("reservations", row["id"], **row)

    thread = threading.Thread(target=change)
    thread.start()
    return thread


def test_a_creation_that_lands_late_is_made_once(target: Target, clinic: Sandbox) -> None:
    """Rules 2, 3 and 15: only a full scan that begins R after the attempt proves absence."""
    clinic.script("create_reservation", {**LATE, "times": 4})
    bookings = [target.booking(n) for n in range(8)]
    done = target(bookings, resend_after_seconds=R_S)
    assert done.code == 0, done.stderr
    assert sorted(held(clinic)) == sorted(b["externalId"] for b in bookings)
    assert "0 retried" in done.stderr


def test_without_the_wait_a_late_creation_is_made_twice(target: Target, clinic: Sandbox) -> None:
    """The control: with R shorter than the landing, the same server books twice."""
    clinic.script("create_reservation", {**LATE, "lands_after": 2.5})
    target([target.booking(0)], resend_after_seconds=0.5)
    while len(held(clinic)) < 2:
        threading.Event().wait(0.05)
    again = target([target.booking(0)], resend_after_seconds=0.5)
    assert again.code == 3, "two rows with one of our numbers are reported"
    assert target.rejected()[-1]["reason"] == "duplicate"
    nothing = target([], resend_after_seconds=0.5)
    assert nothing.code == 3, "in every run, until somebody cancels one of them"


def test_a_cancellation_that_lands_late_sends_one_email(target: Target, clinic: Sandbox) -> None:
    """Rule 15: the patient is notified once although the first response was lost."""
    target([target.booking(0)])
    clinic.script("change_reservation_status", LATE)
    done = target([target.booking(0, status="CANCELLED")], resend_after_seconds=R_S)
    assert done.code == 0, done.stderr
    assert cancellations(clinic) == 1


def test_the_later_of_two_moves_wins(target: Target, clinic: Sandbox) -> None:
    """Rule 12: nothing else is written for a row while a write of it is in doubt."""
    target([target.booking(0)])
    clinic.script("change_reservation_term", LATE)
    wishes = [target.booking(0, dateFrom=day) for day in (OTHER_DAY, THIRD_DAY)]
    done = target(wishes, resend_after_seconds=R_S)
    assert done.code == 0, done.stderr
    assert by_external_id(clinic)[9_000_000]["dateFrom"] == THIRD_DAY


def test_other_rows_continue_and_no_state_is_emitted_meanwhile(
    target: Target, clinic: Sandbox
) -> None:
    """A doubt holds up its own row and the STATE, not the other rows."""
    clinic.script("create_reservation", NEVER)
    bookings = [target.booking(n) for n in range(6)]
    done = target(bookings, resend_after_seconds=R_S)
    assert done.code == 0, done.stderr
    assert done.stdout == '{"records": 6}\n'
    times = [request["at"] for request in clinic.requests("create_reservation")]
    assert len(times) == 7
    assert times[5] - times[0] < R_S * 1000 <= times[6] - times[0]


def test_a_kill_does_not_shorten_the_wait(target: Target, clinic: Sandbox) -> None:
    """Rule 2, trace c: the wait is counted from the restart or from the attempt's end."""
    clinic.script("create_reservation", *[{**LATE, "lands_after": 2.5}] * 12)
    bookings = [target.booking(n) for n in range(12)]
    stopped = target(bookings, resend_after_seconds=R_S)
    assert stopped.code == 1, "it ends at once, because nothing that it sent is answered"
    done = target(bookings, resend_after_seconds=R_S)
    assert done.code == 0, done.stderr
    assert sorted(held(clinic)) == sorted(b["externalId"] for b in bookings)


def test_a_persons_move_meanwhile_is_not_overwritten(target: Target, clinic: Sandbox) -> None:
    """Rule 15, trace j: a value that is neither ours nor the earlier one is a person's."""
    target([target.booking(0)])
    row = by_external_id(clinic)[9_000_000]
    clinic.script("change_reservation_term", NEVER)
    person = change_after(clinic, "change_reservation_term", id=row["id"], dateFrom=THIRD_DAY)
    done = target([target.booking(0, dateFrom=OTHER_DAY)], resend_after_seconds=R_S)
    person.join()
    assert done.code == 3, done.stderr
    assert target.rejected()[-1]["reason"] == "in_doubt"
    assert by_external_id(clinic)[9_000_000]["dateFrom"] == THIRD_DAY
    later = target([target.booking(0, dateFrom="2027-01-09T09:00:00")])
    assert "1 conflicts" in later.stderr, "rule 10: what is agreed is unknown since"


def test_a_cancellation_undone_by_a_person_sends_no_second_email(
    target: Target, clinic: Sandbox
) -> None:
    """Rule 15, trace l: lastSync distinguishes "never landed" from "landed and undone"."""
    target([target.booking(0)])
    row = by_external_id(clinic)[9_000_000]
    clinic.script("change_reservation_status", {**LANDED, "delay": 0.6})
    person = change_after(clinic, "change_reservation_status", id=row["id"], status="CONFIRMED")
    done = target([target.booking(0, status="CANCELLED")], resend_after_seconds=R_S)
    person.join()
    assert done.code == 3, done.stderr
    assert cancellations(clinic) == 1
    assert by_external_id(clinic)[9_000_000]["status"] == "CONFIRMED"


def test_a_change_recognised_by_its_value_blocks_its_row(target: Target, clinic: Sandbox) -> None:
    """Rule 14, trace n: a person may have done the same while our write is in flight."""
    target([target.booking(0)])
    row = by_external_id(clinic)[9_000_000]
    clinic.script("change_reservation_term", LATE)
    person = change_after(clinic, "change_reservation_term", id=row["id"], dateFrom=OTHER_DAY)
    wishes = [target.booking(0, dateFrom=day) for day in (OTHER_DAY, THIRD_DAY)]
    done = target(wishes, resend_after_seconds=R_S)
    person.join()
    assert done.code == 0, done.stderr
    assert by_external_id(clinic)[9_000_000]["dateFrom"] == THIRD_DAY
    assert writes(clinic).count("change_reservation_term") == 2
