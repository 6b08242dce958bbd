"""Which row of Bookio a record is about: a wrong one loses a write or changes another booking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cli import writes
from tests.quick_target import R_S, QuickTarget

if TYPE_CHECKING:
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

NUMBER = 9_000_000
LATER_S = 10 * R_S
"""After this long the next run closes every window."""
CANCELLED: dict[str, Any] = {"status": "CANCELLED"}
DELETED: dict[str, Any] = {"_sdc_deleted_at": "2026-11-01T00:00:00Z"}


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=20, seed=5, capacity_check=False, duplicate_check=False)


@pytest.fixture
def quick(clinic: Sandbox, tmp_path: Path) -> QuickTarget:
    return QuickTarget(clinic, tmp_path)


def rows(clinic: Sandbox, number: int = NUMBER) -> list[dict[str, Any]]:
    return [row for row in clinic.rows("reservations") if row["externalId"] == number]


@pytest.mark.parametrize("end", [CANCELLED, DELETED])
def test_the_row_that_is_left_of_two_is_cancelled(
    quick: QuickTarget, clinic: Sandbox, end: dict[str, Any]
) -> None:
    """Rule 19: once a person has cancelled the known row of two, records are about the other."""
    quick.carry_out([quick.booking(0)])
    (known,) = rows(clinic)
    clinic.insert("reservations", **{k: v for k, v in known.items() if k not in {"id", "number"}})
    clinic.advance(seconds=LATER_S)
    assert quick.carry_out([quick.booking(0)])["rejected"] == 1, "both are live: reported"
    clinic.change("reservations", known["id"], status="CANCELLED")
    clinic.advance(seconds=LATER_S)
    assert quick.carry_out([quick.booking(0)])["unchanged"] == 1
    assert quick.carry_out([quick.booking(0, **end)])["changed"] == 1
    assert [row["status"] for row in rows(clinic)] == ["CANCELLED"] * 2
    assert writes(clinic) == ["create_reservation", "change_reservation_status"]


@pytest.mark.parametrize("end", [CANCELLED, DELETED])
def test_a_lost_journal_loses_no_cancellation_where_lists_hide_external_id(
    quick: QuickTarget, clinic: Sandbox, end: dict[str, Any]
) -> None:
    """Rule 24: the booking is recognised by its identity, as before a creation."""
    clinic.behave(hide=["externalId"])
    quick.carry_out([quick.booking(0)])
    clinic.advance(seconds=LATER_S)
    quick.journal.unlink()
    assert quick.carry_out([quick.booking(0, **end)])["changed"] == 1
    assert rows(clinic)[0]["status"] == "CANCELLED"


@pytest.mark.parametrize("left_out", [["email"], []])
def test_a_cancellation_of_a_booking_that_cannot_be_recognised_is_rejected(
    quick: QuickTarget, clinic: Sandbox, left_out: list[str]
) -> None:
    """Rule 24: it is not called unchanged while a row may be the booking, moved or not."""
    clinic.behave(hide=["externalId"])
    quick.carry_out([quick.booking(0)])
    clinic.change("reservations", rows(clinic)[0]["id"], dateFrom="2027-01-11T09:00:00")
    clinic.advance(seconds=LATER_S)
    quick.journal.unlink()
    record = {k: v for k, v in quick.booking(0, **DELETED).items() if k not in left_out}
    assert quick.carry_out([record])["rejected"] == 1
    assert quick.rejected()[-1]["message"].startswith("the journal does not know")


def test_a_cancellation_of_a_booking_that_never_was_is_unchanged(
    quick: QuickTarget, clinic: Sandbox
) -> None:
    """Rule 24, the control: no row can be it, because lists show whose each row is."""
    assert quick.carry_out([quick.booking(0, **DELETED)])["unchanged"] == 1
    assert writes(clinic) == []


LANDED = {"drop": "reset", "apply": True}
START, OTHER_END = "2027-01-07T09:00:00", "2027-01-07T23:00:00"


def test_a_creation_found_in_a_list_is_not_moved_to_the_end_it_asked_for(
    quick: QuickTarget, clinic: Sandbox
) -> None:
    """Bookio has set its own end: asking again in the next run would e-mail the patient."""
    clinic.script("create_reservation", LANDED)
    booking = quick.booking(0, dateFrom=START, dateTo=OTHER_END)
    quick.carry_out([booking])
    clinic.advance(seconds=LATER_S)
    assert quick.carry_out([booking])["unchanged"] == 1
    assert writes(clinic) == ["create_reservation"]


def test_a_move_is_found_whatever_end_bookio_sets(quick: QuickTarget, clinic: Sandbox) -> None:
    """Rule 14: the start shows that it arrived; the end is Bookio's, and no conflict later."""
    quick.carry_out([quick.booking(0)])
    clinic.advance(seconds=LATER_S)
    clinic.script("change_reservation_term", {"drop": "reset", "delay": 0})
    (row,) = rows(clinic)
    quick.after_pause(
        1,
        lambda: clinic.change(
            "reservations", row["id"], dateFrom=START, dateTo=START[:11] + "09:30:00"
        ),
    )
    moved = quick.booking(0, dateFrom=START, dateTo=OTHER_END)
    counts = quick.carry_out([moved])
    assert (counts["changed"], counts["rejected"]) == (1, 0)
    clinic.advance(seconds=LATER_S)
    assert quick.carry_out([moved])["unchanged"] == 1
    again = quick.carry_out([quick.booking(0, dateFrom="2027-01-08T09:00:00")])
    assert (again["changed"], again["conflicts"]) == (1, 0)


def test_a_calendar_to_which_bookio_adds_fields_is_not_in_doubt(
    quick: QuickTarget, clinic: Sandbox
) -> None:
    """A calendar is planned again after a lost answer, so Bookio's own fields do not matter."""
    calendar = clinic.rows("calendars")[0]
    wanted = {**calendar, "note": "new"}
    clinic.script("modify_calendar", {"drop": "reset"})
    added = [{**service, "colour": "red"} for service in calendar["services"]]
    quick.after_pause(
        1, lambda: clinic.change("calendars", calendar["id"], note="new", services=added)
    )
    counts = quick.carry_out([wanted], stream="calendars")
    assert counts["rejected"] == 0
    assert writes(clinic) == ["modify_calendar"]
