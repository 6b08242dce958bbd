"""The counterexamples of the write protocol that a server can produce: none occurs.

The letters are those of the protocol's table; c, j, l and n are in `test_target_late_landings`.
Runs are in this process and pause in the sandbox's time, so that none of them sleeps. A history is
run twice where it matters: for short lists, which are read whole, and for long ones, of which a
run reads what ``lastSync`` brings.
"""

from __future__ import annotations

import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from target_bookio.journal import windows
from tests.cli import by_external_id, writes
from tests.quick_target import R_S, QuickTarget

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

NUMBER = 9_000_000
TWIN = NUMBER + 1
A, B, C, H = (f"2027-01-{day:02}T09:00:00" for day in (6, 7, 8, 11))
"""Terms: A is the original, B and C come from the source, H from a person."""
NEVER = {"drop": "reset"}
LANDED = {"drop": "reset", "apply": True}
PERSON_S = 2
"""How long an answer is held back, so that a person can act before the target looks."""
MOVE = "change_reservation_term"
LATER_S = 10 * R_S
"""After this long the next run closes every window."""


@pytest.fixture(params=[20, 1500], ids=["short", "long"])
def clinic(start_sandbox: StartSandbox, request: pytest.FixtureRequest) -> Sandbox:
    return start_sandbox(size=request.param, seed=5, capacity_check=False, duplicate_check=False)


@pytest.fixture
def quick(clinic: Sandbox, tmp_path: Path) -> QuickTarget:
    """Return a target whose booking is at A, written so long ago that its window is closed."""
    quick = QuickTarget(clinic, tmp_path)
    quick.carry_out([quick.booking(0, dateFrom=A)])
    clinic.advance(seconds=LATER_S)
    quick.carry_out([quick.booking(0, dateFrom=A)])
    clinic.advance(seconds=LATER_S)
    return quick


def row(clinic: Sandbox, number: int = NUMBER) -> dict[str, Any]:
    return by_external_id(clinic)[number]


def person(clinic: Sandbox, **change: Any) -> None:
    """Change the booking as somebody at the reception would; its length stays."""
    if "dateFrom" in change:
        before = row(clinic)
        start, end = (datetime.fromisoformat(before[name]) for name in ("dateFrom", "dateTo"))
        to = datetime.fromisoformat(change["dateFrom"]) + (end - start)
        change["dateTo"] = to.isoformat(timespec="seconds")
    clinic.change("reservations", row(clinic)["id"], **change)


def cancellations(clinic: Sandbox) -> int:
    return sum(mail["kind"] == "CANCELLED" for mail in clinic.emails())


def once(is_so: Callable[[], bool], act: Callable[[], object]) -> threading.Thread:
    """Act in a thread as soon as something is so, such as a write that has landed."""

    def watch() -> None:
        while not is_so():
            threading.Event().wait(0.01)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@pytest.mark.parametrize(("resend_after_seconds", "rows"), [(60, 1), (45, 2)])
def test_d_r_bounds_landing_and_list_lag_together(
    quick: QuickTarget, clinic: Sandbox, resend_after_seconds: int, rows: int
) -> None:
    """Rule 3: landed after 30 s, listed 25 s later. The control is an R below their sum."""
    clinic.behave(list_lag=25)
    clinic.script("create_reservation", NEVER)
    landed = {**quick.booking(1), "dateFrom": C, "dateTo": C}
    quick.after_pause(30, lambda: clinic.insert("reservations", **landed))
    quick.carry_out([quick.booking(1)], resend_after_seconds=resend_after_seconds)
    assert sum(r["externalId"] == TWIN for r in clinic.rows("reservations")) == rows


def test_e_a_move_undone_by_a_person_is_respected(quick: QuickTarget, clinic: Sandbox) -> None:
    """Rule 6: a row in a list that may be late is held, not overwritten."""
    quick.carry_out([quick.booking(0, dateFrom=B)])
    person(clinic, dateFrom=A)
    assert quick.carry_out([quick.booking(0, dateFrom=C)])["conflicts"] == 1
    assert row(clinic)["dateFrom"] == A


def test_f_an_undone_move_that_only_one_list_shows_is_remembered(
    quick: QuickTarget, clinic: Sandbox
) -> None:
    """Rule 5: a window is closed only by a refresh that begins R after its answer."""
    quick.carry_out([quick.booking(0, dateFrom=B)])
    person(clinic, dateFrom=A)
    quick.carry_out([quick.booking(1)])
    clinic.advance(seconds=LATER_S)
    assert quick.carry_out([quick.booking(0, dateFrom=C)])["conflicts"] == 1
    assert row(clinic)["dateFrom"] == A


def test_g_a_cancellation_undone_at_once_is_not_called_unchanged(
    quick: QuickTarget, clinic: Sandbox
) -> None:
    """Rule 6: the repeated record waits until the list can be trusted, then is a conflict."""
    cancelled = quick.booking(0, dateFrom=A, status="CANCELLED")
    quick.carry_out([cancelled])
    person(clinic, status="CONFIRMED")
    counts = quick.carry_out([cancelled])
    assert (counts["conflicts"], counts["unchanged"]) == (1, 0)
    assert cancellations(clinic) == 1


def test_h_an_older_replica_after_a_persons_change_loses_no_record(
    quick: QuickTarget, clinic: Sandbox
) -> None:
    """Rule 6: a change that a list showed opens a window, too."""
    cancelled = quick.booking(0, dateFrom=A, status="CANCELLED")
    quick.carry_out([cancelled])
    clinic.advance(seconds=LATER_S)
    quick.carry_out([])
    person(clinic, status="CONFIRMED")
    agreed = quick.carry_out([quick.booking(0, dateFrom=A, status="CONFIRMED")])
    assert agreed["unchanged"] == 1
    person(clinic, status="CANCELLED")  # what an older replica shows
    quick.after_pause(R_S / 2, lambda: person(clinic, status="CONFIRMED"))
    assert quick.carry_out([cancelled])["changed"] == 1
    assert row(clinic)["status"] == "CANCELLED"


def test_i_a_delayed_answer_hides_no_persons_change(quick: QuickTarget, clinic: Sandbox) -> None:
    """Rule 4: the next refresh asks back to when the write was sent, not answered."""

    def step_back() -> None:
        person(clinic, dateFrom=A)
        clinic.advance(seconds=LATER_S)

    clinic.script(MOVE, {"delay": 0.4})
    thread = once(lambda: row(clinic)["dateFrom"] == B, step_back)
    quick.carry_out([quick.booking(0, dateFrom=B)])
    thread.join()
    quick.carry_out([quick.booking(1)])
    clinic.advance(seconds=LATER_S)
    assert quick.carry_out([quick.booking(0, dateFrom=C)])["conflicts"] == 1
    assert row(clinic)["dateFrom"] == A


def test_k_a_lost_move_that_a_person_undid_is_not_made_again(
    quick: QuickTarget, clinic: Sandbox
) -> None:
    """Rule 15: the value from before is not enough, ``lastSync`` must not list the row."""
    clinic.script(MOVE, {**LANDED, "delay": PERSON_S})
    thread = once(lambda: row(clinic)["dateFrom"] == B, lambda: person(clinic, dateFrom=A))
    assert quick.carry_out([quick.booking(0, dateFrom=B)])["rejected"] == 1
    thread.join()
    assert quick.rejected()[-1]["reason"] == "in_doubt"
    assert row(clinic)["dateFrom"] == A
    assert writes(clinic).count(MOVE) == 1


def test_k_control_a_lost_move_that_never_landed_is_made_again(
    quick: QuickTarget, clinic: Sandbox
) -> None:
    """The control of k: if the row is unchanged, the move is made after R."""
    clinic.script(MOVE, NEVER)
    assert quick.carry_out([quick.booking(0, dateFrom=B)])["changed"] == 1
    assert row(clinic)["dateFrom"] == B
    assert writes(clinic).count(MOVE) == 2


def test_m_the_next_record_after_an_unknown_outcome_is_a_conflict(
    quick: QuickTarget, clinic: Sandbox
) -> None:
    """Rule 10: what is agreed is unknown, though Bookio shows what we last applied."""
    clinic.script(MOVE, {**LANDED, "delay": PERSON_S})
    thread = once(lambda: row(clinic)["dateFrom"] == B, lambda: person(clinic, dateFrom=A))
    wishes = [quick.booking(0, dateFrom=day) for day in (B, C)]
    counts = quick.carry_out(wishes[:1], wishes[1:])
    thread.join()
    assert (counts["rejected"], counts["conflicts"]) == (1, 1)
    assert row(clinic)["dateFrom"] == A


def test_o_a_row_in_doubt_is_not_compared(quick: QuickTarget, clinic: Sandbox) -> None:
    """Rule 12: "Bookio has it already" is false while an older move is on its way."""
    clinic.script(MOVE, NEVER)
    quick.after_pause(20, lambda: person(clinic, dateFrom=B))  # it lands
    counts = quick.carry_out([quick.booking(0, dateFrom=B)], [quick.booking(0, dateFrom=A)])
    assert counts["changed"] == 2
    assert row(clinic)["dateFrom"] == A


def test_p_the_agreed_value_is_the_base_of_the_next_record(
    quick: QuickTarget, clinic: Sandbox
) -> None:
    """Rule 9: a person's move that the source adopted is not a conflict."""
    person(clinic, dateFrom=H)
    assert quick.carry_out([quick.booking(0, dateFrom=H)])["unchanged"] == 1
    clinic.advance(seconds=LATER_S)
    assert quick.carry_out([quick.booking(0, dateFrom=C)])["changed"] == 1
    assert row(clinic)["dateFrom"] == C


def test_p_control_a_persons_move_that_the_source_does_not_have_is_a_conflict(
    quick: QuickTarget, clinic: Sandbox
) -> None:
    """The control of p."""
    person(clinic, dateFrom=H)
    assert quick.carry_out([quick.booking(0, dateFrom=C)])["conflicts"] == 1


def test_q_a_change_that_a_lagging_list_did_not_show_is_asked_for_again(
    quick: QuickTarget, clinic: Sandbox
) -> None:
    """Rule 5: every refresh asks further back than the last one's time."""
    clinic.behave(list_lag=20)
    person(clinic, dateFrom=H)
    clinic.advance(seconds=10)
    quick.carry_out([quick.booking(1)])
    clinic.advance(seconds=LATER_S)
    assert quick.carry_out([quick.booking(0, dateFrom=C)])["conflicts"] == 1
    assert row(clinic)["dateFrom"] == H


def test_r_a_changelog_sent_again_writes_nothing(quick: QuickTarget, clinic: Sandbox) -> None:
    """Rule 11, across batches and with more than 50 records of one row."""
    moves = [quick.booking(0, dateFrom=(B, C)[n % 2], note=str(n)) for n in range(60)]
    log = [*moves, quick.booking(0, dateFrom=C, status="CANCELLED")]
    batches = [log[:20], log[20:40], log[40:]]
    quick.carry_out(*batches)
    before = writes(clinic)
    assert quick.carry_out(*batches)["unchanged"] == len(log)
    assert writes(clinic) == before
    assert cancellations(clinic) == 1


def test_r_control_an_old_record_sent_alone_is_carried_out(
    quick: QuickTarget, clinic: Sandbox
) -> None:
    """The control of r: no record follows, so it is the source's current state."""
    quick.carry_out([quick.booking(0, dateFrom=B)], [quick.booking(0, dateFrom=C)])
    assert quick.carry_out([quick.booking(0, dateFrom=B)])["changed"] == 1
    assert row(clinic)["dateFrom"] == B


def test_u_a_row_that_a_person_removed_does_not_cause_distrust(
    quick: QuickTarget, clinic: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Rule 8: ``lastSync`` is distrusted only for a row that the whole list still has."""
    quick.carry_out([quick.booking(1)])
    clinic.remove("reservations", row(clinic, TWIN)["id"])
    clinic.advance(seconds=LATER_S)
    quick.carry_out([quick.booking(2)])
    assert "lastSync does not return" not in caplog.text


@pytest.mark.parametrize("clinic", [1500], indirect=True)
@pytest.mark.parametrize("is_checked", [True, False])
def test_a_last_sync_that_misses_writes_misleads_only_without_the_trust_check(
    clinic: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    is_checked: bool,
) -> None:
    """Rule 8 and its control: another program's move is seen in whole lists, or not at all."""
    if not is_checked:
        monkeypatch.setattr(windows, "MAX_TRIALS", 0)
    clinic.behave(last_sync_misses_writes=True)
    quick = QuickTarget(clinic, tmp_path)
    quick.carry_out([quick.booking(0, dateFrom=A)])
    clinic.advance(seconds=LATER_S)
    quick.carry_out([])
    quick.carry_out([quick.booking(0, dateFrom=A)])
    clinic.ask(MOVE, path={"reservationId": row(clinic)["id"]}, body={"dateFrom": H})
    assert row(clinic)["dateFrom"] == H
    counts = quick.carry_out([quick.booking(0, dateFrom=A)])
    assert counts == ({"conflicts": 1} if is_checked else {"unchanged": 1})
    quick.carry_out([quick.booking(1)])
    clinic.advance(seconds=LATER_S)
    quick.carry_out([])
    assert caplog.text.count("lastSync does not return") == is_checked, "one warning, for good"


@pytest.fixture
def blind(clinic: Sandbox, tmp_path: Path) -> QuickTarget:
    """Return a target whose lists do not show our numbers."""
    clinic.behave(hide=["externalId"])
    return QuickTarget(clinic, tmp_path)


def numbers(clinic: Sandbox) -> list[int]:
    """Return our numbers, for each row that has one."""
    found = (r["externalId"] for r in clinic.rows("reservations"))
    return sorted(number for number in found if number is not None and number >= NUMBER)


def test_b1_an_equal_booking_is_not_mistaken_for_a_creation_that_never_landed(
    blind: QuickTarget, clinic: Sandbox
) -> None:
    """Rule 21: the row that matches belongs to another of our numbers."""
    clinic.script("create_reservation", {}, NEVER)
    counts = blind.carry_out([blind.booking(0), blind.booking(0, externalId=TWIN)])
    assert counts["created"] == 2
    assert numbers(clinic) == [NUMBER, TWIN]


def test_b2_only_one_of_two_equal_bookings_is_in_flight(
    blind: QuickTarget, clinic: Sandbox
) -> None:
    """Rule 22: the other one waits, so that a row that lands can be identified."""
    clinic.script("create_reservation", NEVER, NEVER)

    def land_the_last_one_sent() -> None:
        sent = len(clinic.requests("create_reservation"))
        term = {"dateFrom": "2026-12-01T08:00:00", "dateTo": "2026-12-01T08:30:00"}
        booking = blind.booking(0, externalId=(NUMBER, TWIN)[sent - 1], **term)
        clinic.insert("reservations", **booking)

    blind.after_pause(20, land_the_last_one_sent)
    counts = blind.carry_out([blind.booking(0), blind.booking(0, externalId=TWIN)])
    assert counts["created"] == 2
    assert numbers(clinic) == [NUMBER, TWIN]


def test_b3_a_lost_creation_that_a_person_moved_is_not_made_again(
    blind: QuickTarget, clinic: Sandbox
) -> None:
    """Rule 23: a new row of the same person might be it, so the outcome is unknown."""
    clinic.script("create_reservation", {**LANDED, "delay": PERSON_S})
    thread = once(lambda: numbers(clinic) == [NUMBER], lambda: person(clinic, dateFrom=H))
    assert blind.carry_out([blind.booking(0)])["rejected"] == 1
    thread.join()
    assert blind.rejected()[-1]["reason"] == "in_doubt"
    assert numbers(clinic) == [NUMBER]
    assert blind.carry_out([blind.booking(0)])["rejected"] == 1, "nor in a later run"
    assert numbers(clinic) == [NUMBER]
