"""``detect_deletions``: a loader may drop what did not come, and only then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli import Run, Tap

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=50, seed=11)


@pytest.fixture
def tap(clinic: Sandbox, tmp_path: Path) -> Tap:
    tap = Tap(clinic, tmp_path)
    tap.settings["detect_deletions"] = True
    return tap


class Loader:
    """A warehouse table by the rules of Singer: upsert by key, drop other versions when told."""

    def __init__(self) -> None:
        self.table: dict[int, tuple[int, dict[str, Any]]] = {}

    def load(self, synced: Run) -> set[int]:
        for message in synced.messages:
            if message.get("stream") != "blocked_times":
                continue
            version = message.get("version")
            if message["type"] == "RECORD":
                self.table[message["record"]["id"]] = (version, message["record"])
            elif message["type"] == "ACTIVATE_VERSION":
                self.table = {k: row for k, row in self.table.items() if row[0] == version}
        return set(self.table)


def ids(clinic: Sandbox) -> set[int]:
    return {row["id"] for row in clinic.rows("blocked_times")}


def activations(synced: Run) -> list[int]:
    return [m["version"] for m in synced.messages if m["type"] == "ACTIVATE_VERSION"]


def test_what_bookio_removed_is_dropped_and_nothing_else(tap: Tap, clinic: Sandbox) -> None:
    warehouse = Loader()
    first = tap()
    assert warehouse.load(first) == ids(clinic)
    gone = sorted(ids(clinic))[::40]
    for key in gone:
        clinic.remove("blocked_times", key)
    second = tap(state=first.state)
    assert second.code == 0, second.stderr
    assert warehouse.load(second) == ids(clinic)
    assert not set(gone) & ids(clinic)


def test_records_bear_the_version_that_is_activated_after_them(tap: Tap) -> None:
    synced = tap()
    [version] = activations(synced)
    of_stream = [m for m in synced.messages if m.get("stream") == "blocked_times"]
    kinds = [m["type"] for m in of_stream]
    assert kinds[-1] == "ACTIVATE_VERSION"
    assert {m["version"] for m in of_stream if m["type"] == "RECORD"} == {version}


def test_the_next_version_is_greater(tap: Tap) -> None:
    first = tap()
    assert activations(tap(state=first.state)) > activations(first)


def test_an_incomplete_list_deletes_nothing(tap: Tap, clinic: Sandbox) -> None:
    page = {"blockedTimes": [{"id": n} for n in range(1, 101)]}
    endless = {"result": {"success": True, "data": page}}
    clinic.script("list_blocked_times", {"body": json.dumps(endless), "times": 40})
    synced = tap()
    assert synced.code == 1
    assert "incomplete" in synced.errors[0]
    assert activations(synced) == []


@pytest.mark.parametrize("left", [0, 100])
def test_implausibly_many_deletions_are_not_believed(tap: Tap, clinic: Sandbox, left: int) -> None:
    first = tap()
    for key in sorted(ids(clinic))[left:]:
        clinic.remove("blocked_times", key)
    second = tap(state=first.state)
    assert second.code == 1
    assert activations(second) == []
    assert "vanished" in second.errors[0]
    assert activations(tap(state=second.state)) == [], "nor the next time"
