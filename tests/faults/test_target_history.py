"""Records that repeat their row's history, and what a record and its row agree on.

Rules 9 to 11 of the write protocol. Runs are in this process and never sleep, as in
`test_target_traces`.
"""

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
A, B, C, H = (f"2027-01-{day:02}T09:00:00" for day in (6, 7, 8, 11))
"""Terms: A is the original, B and C come from the source, H from a person."""
MOVE, STATUS = "change_reservation_term", "change_reservation_status"
FULL = 30
"""Bookio's code for a term without a free place."""


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=20, seed=5, capacity_check=False, duplicate_check=False)


@pytest.fixture
def quick(clinic: Sandbox, tmp_path: Path) -> QuickTarget:
    """Return a target whose confirmed booking is at A."""
    quick = QuickTarget(clinic, tmp_path)
    quick.carry_out([booking(quick)])
    later(quick)
    return quick


def booking(quick: QuickTarget, **fields: Any) -> dict[str, Any]:
    return quick.booking(0, **{"dateFrom": A, "status": "CONFIRMED", **fields})


def part(**fields: Any) -> dict[str, Any]:
    """Return a record with only some fields."""
    return {"externalId": NUMBER, **fields}


def later(quick: QuickTarget) -> None:
    """Let every window close."""
    quick.sandbox.advance(seconds=10 * R_S)


def row(clinic: Sandbox) -> dict[str, Any]:
    return by_external_id(clinic)[NUMBER]


def person(clinic: Sandbox, **change: Any) -> None:
    clinic.change("reservations", row(clinic)["id"], **change)


@pytest.mark.parametrize("why", ["refused", "conflict"])
def test_a_refused_record_is_history_once_a_later_one_is_settled(
    quick: QuickTarget, clinic: Sandbox, why: str
) -> None:
    """Rule 11: the patient gets one cancellation, however often the changelog is sent."""
    log = [booking(quick, dateFrom=B), booking(quick, dateFrom=B, status="CANCELLED")]
    if why == "refused":
        clinic.script(MOVE, {"code": FULL})
    else:
        person(clinic, dateFrom=H)
    counts = quick.carry_out(log)
    assert (counts["rejected"] + counts["conflicts"], counts["changed"]) == (1, 1)
    before = writes(clinic)
    for _ in range(2):
        later(quick)
        assert quick.carry_out(log) == {"unchanged": 2}
    assert writes(clinic) == before


def test_a_refused_creation_is_history_once_the_row_exists(clinic: Sandbox, tmp_path: Path) -> None:
    """Rule 11: also if the row had no entry in the journal when the record was refused."""
    quick = QuickTarget(clinic, tmp_path)
    clinic.script("create_reservation", {"code": FULL})
    log = [booking(quick), booking(quick, dateFrom=B), booking(quick, status="CANCELLED")]
    assert quick.carry_out(log) == {"rejected": 1, "created": 1, "changed": 1}
    before = writes(clinic)
    assert quick.carry_out(log) == {"unchanged": 3}
    assert writes(clinic) == before


def test_control_a_refused_record_that_is_the_last_is_tried_again(
    quick: QuickTarget, clinic: Sandbox
) -> None:
    """The control: alone, it is the source's current state."""
    clinic.script(MOVE, {"code": FULL})
    log = [booking(quick, dateFrom=B), booking(quick, status="CANCELLED")]
    quick.carry_out(log)
    person(clinic, status="CONFIRMED")
    later(quick)
    quick.carry_out([booking(quick, status="CONFIRMED")])
    later(quick)
    assert quick.carry_out(log[:1])["changed"] == 1
    assert row(clinic)["dateFrom"] == B


def test_a_person_s_row_with_our_number_is_not_taken_for_a_refused_creation(
    clinic: Sandbox, tmp_path: Path
) -> None:
    """Rule 10: an entry that only knows a refused record agrees on nothing."""
    quick = QuickTarget(clinic, tmp_path)
    clinic.script("create_reservation", {"code": FULL})
    assert quick.carry_out([booking(quick)]) == {"rejected": 1}
    clinic.insert("reservations", **booking(quick, dateFrom=H, dateTo="2027-01-11T09:30:00"))
    later(quick)
    assert quick.carry_out([booking(quick)]) == {"conflicts": 1}
    assert row(clinic)["dateFrom"] == H


@pytest.mark.parametrize(
    ("again", "follows"),
    [({"status": "CANCELLED"}, {"dateFrom": C}), ({"dateFrom": A}, {"note": "hello"})],
)
def test_a_repeated_partial_record_is_carried_out_if_nothing_replaces_it(
    quick: QuickTarget, clinic: Sandbox, again: dict[str, Any], follows: dict[str, Any]
) -> None:
    """Rule 11: a later record makes it history only if it sets the same fields."""
    name, value = next(iter(again.items()))
    other = {"status": "CONFIRMED", "dateFrom": B}[name]
    quick.carry_out([part(**again)], [part(**{name: other})])
    later(quick)
    assert row(clinic)[name] == other
    quick.carry_out([part(**again), part(**follows)])
    assert row(clinic)[name] == value


def test_partial_records_sent_again_in_order_are_history(
    quick: QuickTarget, clinic: Sandbox
) -> None:
    """Rule 11: the same record follows as the last time, so that the stream is sent again."""
    log = [booking(quick), part(status="CANCELLED"), part(status="CONFIRMED"), part(dateFrom=B)]
    quick.carry_out(log)
    before = writes(clinic)
    assert quick.carry_out(*([record] for record in log)) == {"unchanged": 4}
    assert writes(clinic) == before


@pytest.mark.parametrize("repeated", [False, True])
def test_an_unchanged_record_agrees_only_on_equal_fields(
    quick: QuickTarget, clinic: Sandbox, repeated: bool
) -> None:
    """Rule 9: a cancellation takes no position on a term to which a person moved the row."""
    person(clinic, dateFrom=H, dateTo="2027-01-11T09:30:00")
    for _ in range(1 + repeated):
        later(quick)
        quick.carry_out([booking(quick, status="CANCELLED")])
    later(quick)
    assert quick.carry_out([booking(quick)]) == {"conflicts": 1}
    assert (row(clinic)["dateFrom"], row(clinic)["status"]) == (H, "CANCELLED")
    assert writes(clinic).count(MOVE) == 0


def test_after_a_removal_by_a_person_nothing_is_agreed(quick: QuickTarget, clinic: Sandbox) -> None:
    """Rule 10: a booking that a person made again is not cancelled on an older base."""
    removed = row(clinic)
    clinic.remove("reservations", removed.pop("id"))
    later(quick)
    assert quick.carry_out([booking(quick, dateFrom=B)]) == {"conflicts": 1}
    clinic.insert("reservations", **removed)
    later(quick)
    assert quick.carry_out([booking(quick, status="CANCELLED")]) == {"conflicts": 1}
    assert row(clinic)["status"] == "CONFIRMED"
