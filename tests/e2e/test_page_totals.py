"""A server that caps its pages and counts the rows of each page as the total."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox
    from tests.cli import Tap, Target
    from tests.conftest import StartSandbox


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=0, facilities=1, variant="page-totals", capacity_check=False)


def test_changes_behind_a_cut_page_are_read(tap: Tap, clinic: Sandbox) -> None:
    """Every change since the bookmark is emitted, though its first page says that it is all."""
    facility = clinic.rows("facilities")[0]["id"]
    first = tap()
    for _ in range(120):
        clinic.insert("reservations", facilityId=facility)
    second = tap(state=first.state)
    assert second.code == 0, second.stderr
    assert len(second.records("reservations")) == 120


def test_a_booking_behind_a_cut_page_is_not_booked_again(target: Target, clinic: Sandbox) -> None:
    """With the journal lost, a booking on the second page is found by its externalId."""
    bookings = [target.booking(n) for n in range(60)]
    assert target(bookings).code == 0
    target.journal.unlink()
    again = target(bookings[-5:])
    assert again.code == 0, again.stderr
    held = [row["externalId"] for row in clinic.rows("reservations")]
    assert sorted(held) == sorted(booking["externalId"] for booking in bookings)
