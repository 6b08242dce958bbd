"""One list that fails does not keep the others from being read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox
    from tests.cli import Run, Tap
    from tests.conftest import StartSandbox


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=60, seed=5)


def moved(synced: Run, stream: str) -> set[int]:
    partitions = synced.state["bookmarks"][stream].get("partitions", [])
    return {p["context"]["facilityId"] for p in partitions if p.get("replication_key_value")}


def facilities(clinic: Sandbox) -> set[int]:
    return {row["id"] for row in clinic.rows("facilities")}


@pytest.mark.parametrize("stream", ["blocked_times", "calendars", "reservations"])
@pytest.mark.parametrize("fault", ["forbidden", "wrong path", "token lacks a right"])
def test_other_lists_are_read_and_their_state_is_emitted(
    tap: Tap, clinic: Sandbox, stream: str, fault: str
) -> None:
    """Exit 1, one line that names the list, and all that the others have."""
    settings: dict[str, Any] = {}
    if fault == "forbidden":
        clinic.behave(forbid=[f"list_{stream}"])
    elif fault == "wrong path":
        settings = {"endpoint_overrides": {f"list_{stream}": "GET /nowhere"}}
    else:
        clinic.script(f"list_{stream}", {"code": 20, "times": 50})
    synced = tap(**settings)
    assert synced.code == 1
    [line] = synced.errors
    assert f"{stream} of facility " in line
    assert str(min(facilities(clinic))) in line
    assert synced.records(stream) == []
    for other in {"facilities", "calendars", "reservations", "blocked_times"} - {stream}:
        assert len(synced.records(other)) == len(clinic.rows(other)), other
    for other in {"reservations", "blocked_times"} - {stream}:
        assert moved(synced, other) == facilities(clinic)


def test_calendars_that_come_in_part_are_incomplete(tap: Tap, clinic: Sandbox) -> None:
    """Their list has no pages: if its total exceeds its rows, the others are lost, so exit 1."""
    rows = [{"id": 1, "name": "A"}, {"id": 2, "name": "B"}]
    data = {"calendars": rows, "pagination": {"total": 30}}
    body = json.dumps({"result": {"success": True, "data": data}})
    clinic.script("list_calendars", {"status": 200, "body": body})
    synced = tap()
    assert synced.code == 1
    [line] = synced.errors
    assert "Bookio sent only 2 rows of a total of 30" in line
    assert len(synced.records("calendars")) > len(rows)
    assert moved(synced, "reservations") == facilities(clinic)


def test_each_failed_list_has_its_own_line(tap: Tap, clinic: Sandbox) -> None:
    """Two lists that fail are two lines."""
    clinic.behave(forbid=["list_calendars"])
    synced = tap(endpoint_overrides={"list_blocked_times": "GET /nowhere"})
    assert synced.code == 1
    assert len(synced.errors) == 2
    assert "blocked_times" in synced.errors[0]
    assert "endpoint_overrides" in synced.errors[0]
    assert "calendars" in synced.errors[1]
    assert len(synced.records("reservations")) == len(clinic.rows("reservations"))


def test_a_failed_facility_keeps_its_bookmark_and_the_others_advance(
    tap: Tap, clinic: Sandbox
) -> None:
    """A facility that is closed to the token costs only its own rows."""
    clinic.script("list_reservations", {"code": 403})
    synced = tap(max_concurrency=1)
    assert synced.code == 1
    assert len(synced.errors) == 1
    [closed] = facilities(clinic) - moved(synced, "reservations")
    assert str(closed) in synced.errors[0]
    rows = {row["id"] for row in clinic.rows("reservations") if row["facilityId"] != closed}
    assert {record["id"] for record in synced.records("reservations")} == rows


def test_a_failed_list_deletes_nothing(tap: Tap, clinic: Sandbox) -> None:
    """Where deletions are detected, a facility that was not read keeps its rows."""
    clinic.script("list_blocked_times", {"code": 403})
    synced = tap(max_concurrency=1, detect_deletions=True)
    assert synced.code == 1
    assert not [m for m in synced.messages if m["type"] == "ACTIVATE_VERSION"]
    assert moved(synced, "blocked_times") == set()


def test_a_wrong_token_still_stops_at_once(tap: Tap, clinic: Sandbox) -> None:
    """After an error that concerns every list, the others are not tried."""
    synced = tap(auth_token="wrong")
    assert synced.code == 1
    assert len(synced.errors) == 1
    assert not any(m["type"] == "RECORD" for m in synced.messages)
    assert len(clinic.requests()) <= 3


def test_a_list_that_keeps_failing_is_skipped_and_the_others_are_read(
    tap: Tap, clinic: Sandbox
) -> None:
    """Minutes of retries are spent once, not for each facility."""
    first = tap()
    since = len(clinic.requests("list_reservations"))
    clinic.script("list_reservations", {"status": 200, "body": "no JSON", "times": 500})
    synced = tap(state=first.state, max_concurrency=1)
    assert synced.code == 1
    [line] = synced.errors
    assert "reservations of facility" in line
    assert all(str(facility) in line for facility in facilities(clinic))
    asked = clinic.requests("list_reservations")[since:]
    assert len({request["query"]["facilityId"] for request in asked}) == 1
    assert moved(synced, "blocked_times") == facilities(clinic)
    assert (
        json.loads(json.dumps(synced.state["bookmarks"]["reservations"]))
        == (first.state["bookmarks"]["reservations"])
    )


def test_calendars_that_keep_failing_are_given_up(tap: Tap, start_sandbox: StartSandbox) -> None:
    """Minutes of retries are spent once, not for each facility, and all facilities are named."""
    clinic = start_sandbox(size=20, facilities=6)
    clinic.script("list_calendars", {"status": 200, "body": "no JSON", "times": 500})
    synced = tap(max_concurrency=1, api_url=clinic.url)
    assert synced.code == 1
    [line] = synced.errors
    assert all(str(facility) in line for facility in facilities(clinic))
    asked = clinic.requests("list_calendars")
    # The thread may have begun the next one before the failure of the first was noticed.
    assert len({request["query"]["facilityId"] for request in asked}) <= 2
    assert len(synced.records("reservations")) == len(clinic.rows("reservations"))


def test_a_facility_that_the_token_no_longer_sees_fails_its_shard(
    tap: Tap, clinic: Sandbox
) -> None:
    """The rest of the shard is read; the message names the facility and the remedy."""
    gone, *others = sorted(facilities(clinic))
    first = tap(facility_ids=[gone, *others])
    clinic.remove("facilities", gone)
    second = tap(state=first.state, facility_ids=others)
    assert second.code == 1
    [line] = second.errors
    assert f"no longer sees facility {gone}, which" in line
    assert "remove its partitions from the state" in line
    assert moved(second, "reservations") >= set(others)
    state = second.state
    for stream in ("reservations", "blocked_times"):
        content = state["bookmarks"][stream]
        content["partitions"] = [
            p for p in content["partitions"] if p["context"]["facilityId"] != gone
        ]  # as the message advises
    assert tap(state=state, facility_ids=others).code == 0


def test_a_facility_that_is_only_out_of_scope_fails_nothing(tap: Tap, clinic: Sandbox) -> None:
    """The control: the token can still see it."""
    _, *others = sorted(facilities(clinic))
    state = tap().state
    assert tap(state=state, facility_ids=others).code == 0
