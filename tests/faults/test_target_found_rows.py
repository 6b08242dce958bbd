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
