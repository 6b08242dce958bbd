"""Responses get lost, before or after a write is applied: nothing twice, nothing missing."""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli import Target

if TYPE_CHECKING:
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

SEED = int(os.environ.get("BOOKIO_SEED", random.randrange(2**32)))
RECORDS = int(os.environ.get("BOOKIO_RECORDS", "200"))
FAULTS = (
    "reset-before=0.02,reset-after=0.02,close-after=0.02,500-after=0.02,666-after=0.02,429=0.02"
)


def check(clinic: Sandbox, bookings: list[dict[str, Any]]) -> None:
    """Fail unless Bookio has each booking once, correct, with an e-mail for each change."""
    rows = [row for row in clinic.rows("reservations") if row["externalId"] is not None]
    held = Counter(row["externalId"] for row in rows)
    assert held == dict.fromkeys((booking["externalId"] for booking in bookings), 1)
    states = {row["externalId"]: row["status"] for row in rows}
    assert states == {b["externalId"]: b.get("status") or "CONFIRMED" for b in bookings}
    cancellations = [mail for mail in clinic.emails() if mail["kind"] == "CANCELLED"]
    per_person = Counter(mail["reservationId"] for mail in cancellations)
    assert set(per_person.values()) <= {1}, "no patient is notified twice"


def half_cancelled(target: Target) -> list[dict[str, Any]]:
    return [target.booking(n, status="CANCELLED" if n % 2 else "CONFIRMED") for n in range(RECORDS)]


@pytest.mark.parametrize("duplicate_check", [True, False])
def test_lost_answers_cause_neither_loss_nor_duplicates(
    start_sandbox: StartSandbox, tmp_path: Path, duplicate_check: bool
) -> None:
    """Bookio ends as the records say, once each, whatever the duplicate check does."""
    print(f"BOOKIO_SEED={SEED} BOOKIO_RECORDS={RECORDS}")
    clinic = start_sandbox(
        seed=SEED % 1000, capacity_check=False, faults=FAULTS, duplicate_check=duplicate_check
    )
    target = Target(clinic, tmp_path)
    bookings = [target.booking(n) for n in range(RECORDS)]
    created = target(bookings, max_concurrency=8)
    assert created.code == 0, created.stderr
    check(clinic, bookings)
    # A lost change within a second or two of our own write of the row cannot be told from it.
    clinic.advance(seconds=60)
    changed = target(half_cancelled(target), max_concurrency=8)
    assert changed.code == 0, changed.stderr
    check(clinic, half_cancelled(target))


@pytest.mark.parametrize(
    "twist",
    [
        {"drop": "hang", "apply": True},
        {"drop": "hang"},
        {"status": 200, "body": "<html>", "apply": True},
        {"status": 302, "apply": True},
        {"status": 503},
        {"keep": 0.3},
        {"status": 200, "body": "", "apply": True},
    ],
)
def test_each_kind_of_lost_answer_is_resolved(
    start_sandbox: StartSandbox, tmp_path: Path, twist: dict[str, Any]
) -> None:
    """Every kind of unusable answer to a creation ends in one booking, within the run."""
    clinic = start_sandbox(seed=1, capacity_check=False, duplicate_check=False)
    target = Target(clinic, tmp_path)
    clinic.script("create_reservation", twist)
    bookings = [target.booking(n) for n in range(5)]
    done = target(bookings, request_timeout=1)
    assert done.code == 0, done.stderr
    check(clinic, bookings)


def test_where_lists_show_no_external_id_a_lost_creation_is_recognised(
    start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    """Rules 21 to 23: the booking is recognised, even in a later run."""
    clinic = start_sandbox(
        seed=1, size=30, capacity_check=False, duplicate_check=False, hide=["externalId"]
    )
    target = Target(clinic, tmp_path)
    clinic.script("create_reservation", {"drop": "reset", "apply": True, "times": 2})
    bookings = [target.booking(n) for n in range(6)]
    for _ in range(2):
        done = target(bookings)
        assert done.code == 0, done.stderr
        assert len(clinic.requests("create_reservation")) == 6


def test_where_lists_show_no_external_id_a_lost_journal_books_nothing_twice(
    start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    """Rule 24: a row that is the same booking is adopted before anything is created."""
    clinic = start_sandbox(seed=1, capacity_check=False, duplicate_check=False, hide=["externalId"])
    target = Target(clinic, tmp_path)
    bookings = [target.booking(n) for n in range(4)]
    for _ in range(2):
        assert target(bookings).code == 0
    target.journal.unlink()
    assert target(bookings).code == 0
    assert len(clinic.requests("create_reservation")) == 4


def test_without_its_journal_another_persons_booking_is_made_twice(
    start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    """The control: without the journal and a list that helps, a duplicate does happen."""
    clinic = start_sandbox(seed=1, capacity_check=False, duplicate_check=False, hide=["externalId"])
    target = Target(clinic, tmp_path)
    assert target([target.booking(0)]).code == 0
    [row] = [row for row in clinic.rows("reservations") if row["externalId"] == 9_000_000]
    clinic.change("reservations", row["id"], surname="Iná", dateFrom="2027-03-01T09:00:00")
    target.journal.unlink()
    target([target.booking(0)])
    assert len(clinic.requests("create_reservation")) == 2


def test_a_server_that_never_answers_opens_the_circuit(
    start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    """A run against a failed server stops early without a STATE, and the next one completes it."""
    clinic = start_sandbox(seed=1, capacity_check=False)
    target = Target(clinic, tmp_path)
    clinic.script("create_reservation", {"status": 500, "times": 1000})
    bookings = [target.booking(n) for n in range(300)]
    stopped = target(bookings)
    assert stopped.code == 1
    assert "no answer" in stopped.errors[0]
    assert stopped.stdout == ""
    assert target.rejected() == []
    assert len(clinic.requests("create_reservation")) < 150
    clinic.control("/script", method="DELETE")
    resumed = target(bookings)
    assert resumed.code == 0, resumed.stderr
    check(clinic, bookings)
