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
