"""Bookio's clock jumps while a write is in doubt: no wait is shorter or longer for it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.cli import writes
from tests.quick_target import R_S, QuickTarget

if TYPE_CHECKING:
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

NUMBER = 9_000_000
OTHER_DAY = "2027-01-07T09:00:00"
NEVER = {"drop": "reset"}
HOUR_S = 3600


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=20, seed=5, capacity_check=False, duplicate_check=False)


@pytest.fixture
def quick(clinic: Sandbox, tmp_path: Path) -> QuickTarget:
    return QuickTarget(clinic, tmp_path)


def ours(clinic: Sandbox) -> list[int]:
    return [r["id"] for r in clinic.rows("reservations") if r["externalId"] == NUMBER]


@pytest.mark.parametrize("lands", [True, False])
def test_a_clock_that_jumps_forward_shortens_no_wait(
    quick: QuickTarget, clinic: Sandbox, lands: bool
) -> None:
    """Rule 2: what lands within R is not sent again. The control never lands, and is."""
    clinic.script("create_reservation", NEVER)
    booking = quick.booking(0)
    quick.after_pause(1, partial(clinic.advance, seconds=HOUR_S))
    if lands:
        landed = {**booking, "dateFrom": OTHER_DAY, "dateTo": OTHER_DAY}
        quick.after_pause(R_S - 10, partial(clinic.insert, "reservations", **landed))
    quick.carry_out([booking])
    assert writes(clinic).count("create_reservation") == (1 if lands else 2)
    assert len(ours(clinic)) == 1


@pytest.mark.parametrize("back_s", [HOUR_S, 300])
@pytest.mark.parametrize("is_creation", [True, False])
def test_a_clock_that_goes_back_lengthens_no_wait(
    quick: QuickTarget, clinic: Sandbox, back_s: int, is_creation: bool
) -> None:
    """Rule 2: a doubt is decided R after the attempt, whatever Bookio's clock shows."""
    if not is_creation:
        quick.carry_out([quick.booking(0)])
        clinic.advance(seconds=2 * back_s)
    clinic.script("create_reservation" if is_creation else "change_reservation_term", NEVER)
    quick.after_pause(1, partial(clinic.advance, seconds=-back_s))
    counts = quick.carry_out([quick.booking(0, dateFrom=OTHER_DAY)])
    assert counts == {"created" if is_creation else "changed": 1, "retried": 1}
    assert R_S <= quick.paused_s < 2 * R_S


def test_servers_that_disagree_about_the_time_end_the_run_no_later(
    quick: QuickTarget, clinic: Sandbox
) -> None:
    """Rule 1: a clock that jumps to and fro does not keep a doubt open."""
    clinic.script("create_reservation", NEVER)
    for n in range(10):
        quick.after_pause(4 * n + 1, partial(clinic.advance, seconds=HOUR_S * (-1) ** n))
    assert quick.carry_out([quick.booking(0)])["created"] == 1
    assert R_S <= quick.paused_s < 2 * R_S
    assert len(ours(clinic)) == 1
