"""Bookio answers a change or removal with 404: the row is gone, or the path is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bookio_api.errors import UnknownPathError
from tests.cli import by_external_id
from tests.quick_target import R_S, QuickTarget

if TYPE_CHECKING:
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

NUMBER = 9_000_000
DAYS = [f"2027-01-{day:02}T09:00:00" for day in (7, 8, 11)]
MOVE = "change_reservation_term"
REMOVE = "remove_blocked_time"
LAG_S = 25
LATER_S = 10 * R_S


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=1500, seed=5, capacity_check=False, duplicate_check=False)


@pytest.fixture
def quick(clinic: Sandbox, tmp_path: Path) -> QuickTarget:
    """Return a target that has created and moved a booking, so long ago that no list is late."""
    quick = QuickTarget(clinic, tmp_path)
    quick.carry_out([quick.booking(0), quick.booking(1)])
    quick.carry_out([quick.booking(0, dateFrom=DAYS[0])])
    clinic.advance(seconds=LATER_S)
    quick.carry_out([quick.booking(1)])
    clinic.advance(seconds=LATER_S)
    return quick


@pytest.mark.parametrize("lag_s", [0, LAG_S])
def test_a_change_answered_404_shows_that_the_row_was_removed(
    quick: QuickTarget, clinic: Sandbox, lag_s: int
) -> None:
    """Rule 17: a full list confirms it, and the other records are carried out."""
    clinic.behave(list_lag=lag_s)
    clinic.remove("reservations", by_external_id(clinic)[NUMBER]["id"])
    clinic.script(MOVE, {"code": 404})
    moves = [quick.booking(n, dateFrom=DAYS[1]) for n in (0, 1)]
    counts = quick.carry_out(moves, max_concurrency=1)
    assert counts == {"conflicts": 1, "changed": 1}
    assert by_external_id(clinic)[NUMBER + 1]["dateFrom"] == DAYS[1]
    assert quick.paused_s <= 2 * R_S


@pytest.mark.parametrize("lag_s", [0, LAG_S])
def test_a_removal_answered_404_while_the_list_is_late_is_done(
    quick: QuickTarget, clinic: Sandbox, lag_s: int
) -> None:
    """The list is read again, R after the answer, before the path counts as wrong."""
    quick.carry_out([quick.block(0), quick.block(1)], stream="blocked_times")
    gone = {"_sdc_deleted_at": "2026-11-01T00:00:00Z"}
    quick.carry_out([quick.block(1, **gone)], stream="blocked_times")
    clinic.advance(seconds=LATER_S)
    clinic.behave(list_lag=lag_s)
    clinic.script(REMOVE, {"code": 404, "apply": True})
    assert quick.carry_out([quick.block(0, **gone)], stream="blocked_times") == {"removed": 1}


@pytest.mark.parametrize("has_worked", [True, False])
def test_a_404_about_a_row_that_lists_show_means_that_the_path_is_wrong(
    quick: QuickTarget, clinic: Sandbox, has_worked: bool
) -> None:
    """The control: after R if the path has worked before, and otherwise at once."""
    changes = {"dateFrom": DAYS[1]} if has_worked else {"status": "CANCELLED"}
    clinic.script(MOVE if has_worked else "change_reservation_status", {"code": 404})
    with pytest.raises(UnknownPathError):
        quick.carry_out([quick.booking(0, **{"dateFrom": DAYS[0], **changes})])
    assert (quick.paused_s >= R_S) == has_worked
    assert by_external_id(clinic)[NUMBER]["dateFrom"] == DAYS[0]


@pytest.mark.parametrize("has_worked", [True, False])
def test_a_404_about_a_new_row_that_no_list_shows_yet_books_nothing_again(
    quick: QuickTarget, clinic: Sandbox, has_worked: bool
) -> None:
    """Rule 6: within its window a missing row is not removed, whatever the answer was."""
    clinic.behave(list_lag=LAG_S)
    changes = {"dateFrom": DAYS[1]} if has_worked else {"status": "CANCELLED"}
    clinic.script(MOVE if has_worked else "change_reservation_status", {"code": 404})
    new = [quick.booking(2)], [quick.booking(2, **changes)]
    with pytest.raises(UnknownPathError):
        quick.carry_out(*new, conflict="source_wins")
    assert sum(r["externalId"] == NUMBER + 2 for r in clinic.rows("reservations")) == 1
