"""``detect_deletions``: a loader may drop what did not come, and only then."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
from typing import TYPE_CHECKING

import pytest
from singer_sdk.sql import SQLConnector, SQLSink, SQLTarget

from tests.cli import Run, Tap

if TYPE_CHECKING:
    from pathlib import Path

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


class Sink(SQLSink[SQLConnector]):
    """A table without key: the SDK itself cannot merge, so each run appends."""

    connector_class = SQLConnector
    key_properties = ()


class Loader(SQLTarget):
    """The Singer SDK's own loader, as every SQL target that is made with it."""

    name = "target-sqlite"
    default_sink_class = Sink


def of_stream(synced: Run) -> str:
    lines = synced.stdout.splitlines(keepends=True)
    return "".join(line for line in lines if '"stream":"blocked_times"' in line)


class Warehouse:
    """A SQLite file that a loader fills, and which honours ACTIVATE_VERSION."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "warehouse.sqlite3"

    def load(self, synced: Run) -> set[int]:
        settings = {
            "sqlalchemy_url": f"sqlite:///{self.file}",
            "add_record_metadata": True,
            "hard_delete": True,
        }
        with contextlib.redirect_stdout(io.StringIO()):
            Loader(config=settings).listen(io.StringIO(of_stream(synced)))
        with contextlib.closing(sqlite3.connect(self.file)) as warehouse:
            return {key for (key,) in warehouse.execute("SELECT id FROM blocked_times")}


def ids(clinic: Sandbox) -> set[int]:
    return {row["id"] for row in clinic.rows("blocked_times")}


def activations(synced: Run) -> list[int]:
    return [m["version"] for m in synced.messages if m["type"] == "ACTIVATE_VERSION"]


def test_what_bookio_removed_is_dropped_and_nothing_else(
    tap: Tap, clinic: Sandbox, tmp_path: Path
) -> None:
    warehouse = Warehouse(tmp_path)
    first = tap()
    assert warehouse.load(first) == ids(clinic)
    gone = sorted(ids(clinic))[::40]
    for key in gone:
        clinic.remove("blocked_times", key)
    second = tap(state=first.state)
    assert second.code == 0, second.stderr
    assert warehouse.load(second) == ids(clinic)
    assert not set(gone) & ids(clinic)


def test_without_it_the_warehouse_keeps_what_is_gone(
    tap: Tap, clinic: Sandbox, tmp_path: Path
) -> None:
    """The control: the same loader, and no ACTIVATE_VERSION."""
    tap.settings["detect_deletions"] = False
    warehouse = Warehouse(tmp_path)
    first = tap()
    key = min(ids(clinic))
    warehouse.load(first)
    clinic.remove("blocked_times", key)
    assert key in warehouse.load(tap(state=first.state))


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
