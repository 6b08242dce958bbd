"""``facility_ids`` is narrowed: nothing is written out of scope, and nothing lost in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cli import by_external_id, writes
from tests.quick_target import R_S, QuickTarget

if TYPE_CHECKING:
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

NUMBER = 9_000_000
STATUS = "change_reservation_status"
NEVER = {"drop": "reset"}
LATER_S = 10 * R_S
FEW = 8
"""Requests of a run that reads changes only, for a few facilities."""


class StoppedError(Exception):
    """Ends a run while it waits."""


def stop() -> None:
    raise StoppedError


@pytest.fixture(params=[20])
def clinic(start_sandbox: StartSandbox, request: pytest.FixtureRequest) -> Sandbox:
    size: int = request.param
    return start_sandbox(size=size, seed=5, capacity_check=False, duplicate_check=False)


@pytest.fixture
def quick(clinic: Sandbox, tmp_path: Path) -> QuickTarget:
    return QuickTarget(clinic, tmp_path)


def elsewhere(quick: QuickTarget, **changes: Any) -> dict[str, Any]:
    """Return a booking at another facility than the target's."""
    calendars = quick.sandbox.rows("calendars")
    other = next(c for c in calendars if c["facilityId"] != quick.facility)
    place = {"facilityId": other["facilityId"], "serviceId": other["services"][0]["id"]}
    return quick.booking(0, **place, **changes)


def test_a_doubt_out_of_scope_stays_open_without_waiting(
    quick: QuickTarget, clinic: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Only the lists of its own facility decide about a write, in a run that reads them."""
    quick.carry_out([elsewhere(quick)])
    clinic.advance(seconds=LATER_S)
    clinic.script(STATUS, NEVER)
    quick.after_pause(1, stop)
    cancelled = elsewhere(quick, status="CANCELLED")
    with pytest.raises(StoppedError):
        quick.carry_out([cancelled])
    clinic.advance(seconds=LATER_S)
    counts = quick.carry_out([quick.booking(1)], facility_ids=[quick.facility])
    assert counts == {"created": 1}
    assert quick.paused_s == 0
    assert caplog.text.count("facility_ids leaves out") == 1
    # Back in scope: it never landed, so it is sent again.
    assert quick.carry_out([cancelled])["changed"] == 1
    assert by_external_id(clinic)[NUMBER]["status"] == "CANCELLED"
    assert writes(clinic).count(STATUS) == 2


@pytest.mark.parametrize("is_known", [True, False])
def test_a_row_out_of_scope_is_rejected_not_written(
    quick: QuickTarget, clinic: Sandbox, is_known: bool
) -> None:
    """A record without a facility whose row is elsewhere is reported, known or not."""
    if is_known:  # the mirror does not show that a person cancelled it since
        quick.carry_out([elsewhere(quick)])
        clinic.advance(seconds=LATER_S)
        clinic.change("reservations", by_external_id(clinic)[NUMBER]["id"], status="CANCELLED")
    else:
        clinic.insert("reservations", **elsewhere(quick))
    record = {"externalId": NUMBER, "status": "CANCELLED"}
    assert quick.carry_out([record], facility_ids=[quick.facility]) == {"rejected": 1}
    assert "facility_ids" in quick.rejected()[-1]["message"]
    assert STATUS not in writes(clinic)


@pytest.mark.parametrize("clinic", [1500], indirect=True)
@pytest.mark.parametrize("may_list", [True, False])
def test_a_token_that_may_not_list_facilities_costs_no_waits_or_whole_lists(
    quick: QuickTarget, clinic: Sandbox, may_list: bool
) -> None:
    """Rules 1, 5, 8 and 14: its one list of all facilities closes the windows of each of them."""
    clinic.behave(forbid=[] if may_list else ["list_facilities"])
    days = [f"2027-01-{day:02}T09:00:00" for day in (4, 5, 6, 7)]
    quick.carry_out([quick.booking(0, dateFrom=days[0])])
    clinic.advance(seconds=LATER_S)
    clinic.script("change_reservation_term", {"drop": "reset", "apply": True})
    quick.carry_out([quick.booking(0, dateFrom=days[1])])
    clinic.advance(seconds=LATER_S)
    quick.carry_out([quick.booking(0, dateFrom=days[2])])
    clinic.advance(seconds=LATER_S)
    before = len(clinic.requests("list_reservations"))
    assert quick.carry_out([quick.booking(0, dateFrom=days[3])])["changed"] == 1
    assert quick.paused_s == 0
    assert len(clinic.requests("list_reservations")) - before <= FEW
