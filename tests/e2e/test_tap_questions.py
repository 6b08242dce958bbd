"""Facilities are requested ahead, as many as may be in flight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli import Tap

if TYPE_CHECKING:
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=300, seed=5, latency_ms=20)


def first_asked(clinic: Sandbox, since: int) -> list[tuple[str, str]]:
    """Return facility and offset of as many requests as there are facilities."""
    asked = [r["query"] for r in clinic.requests("list_reservations")[since:]]
    places = [(query["facilityId"], query["offset"]) for query in asked]
    return places[: clinic.counts()["facilities"]]


def test_a_first_load_also_prefetches(clinic: Sandbox, tmp_path: Path) -> None:
    tap = Tap(clinic, tmp_path)
    together = tap(page_size=20, max_concurrency=8)
    asked = first_asked(clinic, since=0)
    assert {offset for _, offset in asked} == {"0"}
    assert len({facility for facility, _ in asked}) == len(asked) > 1
    since = len(clinic.requests("list_reservations"))
    serial = tap(page_size=20, max_concurrency=1)
    assert len({facility for facility, _ in first_asked(clinic, since)}) == 1
    assert together.code == serial.code == 0
    assert together.records("reservations") == serial.records("reservations")


def test_an_incremental_run_requests_all_lists_at_once(clinic: Sandbox, tmp_path: Path) -> None:
    tap = Tap(clinic, tmp_path)
    first = tap()
    clinic.advance(days=30)
    since = len(clinic.requests("list_reservations"))
    second = tap(page_size=4, state=first.state, max_concurrency=8)
    asked = first_asked(clinic, since)
    assert {offset for _, offset in asked} == {"0"}
    assert len({facility for facility, _ in asked}) == len(asked) > 1
    since = len(clinic.requests("list_reservations"))
    serial = tap(page_size=4, state=first.state, max_concurrency=1)
    assert len({facility for facility, _ in first_asked(clinic, since)}) == 1
    assert second.code == serial.code == 0
    assert second.records("reservations") == serial.records("reservations")


def test_trusting_a_total_misses_nothing_permanently(clinic: Sandbox, tmp_path: Path) -> None:
    """If no later run could make up for a missed row, two requests look behind the end."""
    tap = Tap(clinic, tmp_path)
    state = None
    for deletions, per_facility in [(True, 3), (True, 3), (False, 1)]:
        since = len(clinic.requests("list_blocked_times"))
        synced = tap(state=state, detect_deletions=deletions)
        assert synced.code == 0, synced.stderr
        asked = len(clinic.requests("list_blocked_times")) - since
        assert asked == per_facility * clinic.counts()["facilities"]
        state = synced.state


def test_a_small_page_size_is_the_same_in_every_request(clinic: Sandbox, tmp_path: Path) -> None:
    assert Tap(clinic, tmp_path)(page_size=3).code == 0
    assert {r["query"]["limit"] for r in clinic.requests("list_reservations")} == {"4"}
