"""A request wider than the bookmark's returns the rows that were left out before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox
    from tests.cli import Run, Tap
    from tests.conftest import StartSandbox


BEFORE_EVERY_BOOKMARK_MS = 1_788_998_400_000
"""10 September 2026; the sandbox's clock starts on the 16th."""


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=120, seed=9)


def ids(synced: Run, stream: str) -> set[int]:
    assert synced.code == 0, synced.stderr
    return {record["id"] for record in synced.records(stream)}


def is_full(clinic: Sandbox, stream: str, since: int) -> bool:
    """Whether the questions after the first ``since`` reach back behind every bookmark."""
    asked = [r["query"] for r in clinic.requests(f"list_{stream}")[since:]]
    assert asked
    full = {int(query.get("lastSync", 0)) < BEFORE_EVERY_BOOKMARK_MS for query in asked}
    assert len(full) == 1
    return full.pop()


WIDER: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("reservations", {"reservations_to": "2026-06-30"}, {}),
    ("reservations", {"reservations_to": "2026-06-30"}, {"reservations_to": "2026-07-01"}),
    ("reservations", {"reservations_from": "2026-09-01"}, {"reservations_from": "2026-01-01"}),
    ("reservations", {"only_unsynced": True}, {}),
    ("reservations", {"start_date": "2026-09-01"}, {}),
    ("blocked_times", {"start_date": "2026-09-01"}, {"start_date": "2026-01-01"}),
    ("blocked_times", {"blocked_times_from": "2026-09-01"}, {}),
    ("blocked_times", {"blocked_times_to": "2026-09-01"}, {"blocked_times_to": "2026-09-02"}),
]


@pytest.mark.parametrize(("stream", "before", "now"), WIDER, ids=str)
def test_rows_that_were_filtered_out_before_are_emitted(
    tap: Tap, clinic: Sandbox, stream: str, before: dict[str, Any], now: dict[str, Any]
) -> None:
    """Each facility is read in full once, and a message names the setting."""
    first = tap(**before)
    since = len(clinic.requests(f"list_{stream}"))
    second = tap(state=first.state, **now)
    assert is_full(clinic, stream, since)
    assert ids(second, stream) == ids(tap(**now), stream)
    [name] = before.keys()
    warnings = [
        line for line in second.stderr.splitlines() if "in full," in line and stream in line
    ]
    assert len(warnings) == len(clinic.rows("facilities"))
    assert all(name in line for line in warnings)
    since = len(clinic.requests(f"list_{stream}"))
    tap(state=second.state, **now)
    assert not is_full(clinic, stream, since)


@pytest.mark.parametrize(("stream", "now", "before"), WIDER, ids=str)
def test_a_narrower_filter_keeps_the_bookmark(
    tap: Tap, clinic: Sandbox, stream: str, before: dict[str, Any], now: dict[str, Any]
) -> None:
    """The control: the same settings the other way round lose nothing."""
    first = tap(**before)
    since = len(clinic.requests(f"list_{stream}"))
    second = tap(state=first.state, **now)
    assert second.code == 0
    assert not is_full(clinic, stream, since)
    assert "in full," not in second.stderr


def test_adding_and_removing_a_filter_loses_nothing(tap: Tap, clinic: Sandbox) -> None:
    """A row that changes while a filter hides it is emitted when the filter is removed."""
    first = tap()
    row = max(clinic.rows("reservations"), key=lambda row: row["dateFrom"])
    narrow = tap(state=first.state, reservations_to="2026-01-01")
    clinic.change("reservations", row["id"], note="changed meanwhile")
    clinic.advance(seconds=3600)
    narrow = tap(state=narrow.state, reservations_to="2026-01-01")
    assert row["id"] not in ids(narrow, "reservations")
    assert row["id"] in ids(tap(state=narrow.state), "reservations")


def test_an_earlier_start_date_after_a_later_one_is_still_covered(
    tap: Tap, clinic: Sandbox
) -> None:
    """``start_date`` limits the first question alone, so a later one changes nothing."""
    first = tap(start_date="2026-01-01")
    second = tap(state=first.state, start_date="2026-06-01")
    since = len(clinic.requests("list_reservations"))
    third = tap(state=second.state, start_date="2026-01-01")
    assert third.code == 0
    assert not is_full(clinic, "reservations", since)


def test_a_state_of_an_older_version_is_accepted(tap: Tap, clinic: Sandbox) -> None:
    """It has no filters; the bookmark stays valid and stores them from now on."""
    first = tap()
    older = json.loads(json.dumps(first.state))
    for stream in older["bookmarks"].values():
        stream.pop("personal_data", None)
        for partition in stream.get("partitions", []):
            del partition["filters"]
    since = len(clinic.requests("list_reservations"))
    second = tap(state=older, reservations_to="2026-06-30")
    assert second.code == 0, second.stderr
    assert not is_full(clinic, "reservations", since)
    since = len(clinic.requests("list_reservations"))
    assert tap(state=second.state).code == 0
    assert is_full(clinic, "reservations", since)


@pytest.mark.parametrize(
    "filters",
    [
        [],
        {"since": 1},
        {"last_day": "soon"},
        {"last_day": 5},
        {"start_ms": "1"},
        {"only_unsynced": "yes"},
    ],
    ids=str,
)
def test_invalid_filters_in_a_state_are_refused(tap: Tap, filters: Any) -> None:
    """One line, before the first request."""
    entry = {"replication_key_value": 1789538400000, "filters": filters}
    refused = tap(state={"bookmarks": {"reservations": entry}})
    assert refused.code == 1
    [line] = refused.errors
    assert "filters of reservations" in line
    assert refused.messages == []


def test_a_stricter_mode_warns_about_data_already_in_the_warehouse(tap: Tap) -> None:
    """Every run warns until a full refresh; the other way round there is no warning."""
    kept = tap()
    for _ in range(2):
        omitted = tap(state=kept.state, personal_data="omit")
        assert omitted.code == 0
        assert "still holds names, contacts and free text" in omitted.stderr
        assert "--full-refresh" in omitted.stderr
    fresh = tap(personal_data="omit")
    assert "still holds" not in tap(state=fresh.state, personal_data="omit").stderr
    assert "still holds" not in tap(state=fresh.state, personal_data="keep").stderr
