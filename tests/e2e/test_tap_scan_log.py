"""``scan_log``: an optional stream that says how each list was read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jsonschema
import pytest

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox
    from tests.cli import Run, Tap
    from tests.conftest import StartSandbox


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=60, seed=5)


def streams(synced: Run) -> list[str]:
    return [m["stream"] for m in synced.messages if m["type"] == "SCHEMA"]


def test_each_scan_is_one_row(tap: Tap, clinic: Sandbox) -> None:
    """The rows contain list, facility, time by Bookio's clock, and result."""
    first = tap(scan_log=True)
    assert first.code == 0, first.stderr
    [message] = [m for m in first.messages if m["type"] == "SCHEMA" and m["stream"] == "scans"]
    assert message["key_properties"] == ["stream", "facilityId", "askedAt"]
    scans = first.records("scans")
    for scan in scans:
        jsonschema.validate(scan, message["schema"])
    for stream in ("reservations", "blocked_times"):
        rows = {s["facilityId"]: s["rows"] for s in scans if s["stream"] == stream}
        listed = clinic.rows(stream)
        assert rows == {
            facility["id"]: sum(row["facilityId"] == facility["id"] for row in listed)
            for facility in clinic.rows("facilities")
        }
    assert all(s["complete"] and s["reason"] is None and s["lastSync"] is None for s in scans)
    assert all(s["requests"] >= 1 and s["seconds"] >= 0 for s in scans)
    assert sum(s["requests"] for s in scans if s["stream"] == "reservations") == len(
        clinic.requests("list_reservations")
    )
    second = tap(scan_log=True, state=first.state)
    assert all(isinstance(scan["lastSync"], int) for scan in second.records("scans"))


def test_a_scan_that_fails_has_its_row_and_reason(tap: Tap, clinic: Sandbox) -> None:
    """Even one whose first request fails."""
    clinic.behave(forbid=["list_blocked_times"])
    synced = tap(scan_log=True)
    assert synced.code == 1
    failed = [s for s in synced.records("scans") if s["stream"] == "blocked_times"]
    assert len(failed) == len(clinic.rows("facilities"))
    assert not any(scan["complete"] for scan in failed)
    assert all("list_blocked_times" in scan["reason"] for scan in failed)


def test_without_scan_log_nothing_changes(tap: Tap) -> None:
    """Discovery, streams and state are as they are; a state that knows scans is still read."""
    with_log = tap(scan_log=True)
    assert "scans" in with_log.state["bookmarks"]
    without = tap(state=with_log.state)
    assert without.code == 0, without.stderr
    assert "scans" not in streams(without)
    names = [e["tap_stream_id"] for e in json.loads(tap("--discover").stdout)["streams"]]
    assert "scans" not in names


def test_the_log_of_scans_is_selected_like_any_stream(tap: Tap) -> None:
    """A catalog can leave it out, and may name it without the setting."""
    catalog = json.loads(tap("--discover", scan_log=True).stdout)
    assert streams(tap(catalog=catalog, scan_log=True))[-1] == "scans"
    assert tap(catalog=catalog).code == 0
    for entry in catalog["streams"]:
        for rule in entry["metadata"]:
            if not rule["breadcrumb"]:
                rule["metadata"]["selected"] = entry["tap_stream_id"] != "scans"
    assert "scans" not in streams(tap(catalog=catalog, scan_log=True))


def test_scans_without_a_facility_list_have_a_key(tap: Tap, clinic: Sandbox) -> None:
    """A key must not be null: facility 0 stands for all of them."""
    clinic.behave(forbid=["list_facilities"])
    assert {s["facilityId"] for s in tap(scan_log=True).records("scans")} == {0}
