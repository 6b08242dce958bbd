"""``detect_deletions``: a loader may drop missing rows, but only when it is safe."""

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

# The SDK's loader stores datetimes with sqlite3's own adapter, which is deprecated since 3.12.
pytestmark = pytest.mark.filterwarnings("ignore:The default datetime adapter:DeprecationWarning")


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


class Warehouse:
    """A SQLite file that a loader fills, and which honours ACTIVATE_VERSION."""

    def __init__(self, folder: Path, stream: str = "blocked_times") -> None:
        self.file = folder / "warehouse.sqlite3"
        self.stream = stream

    def load(self, synced: Run) -> set[int]:
        settings = {
            "sqlalchemy_url": f"sqlite:///{self.file}",
            "add_record_metadata": True,
            "hard_delete": True,
        }
        lines = synced.stdout.splitlines(keepends=True)
        of_stream = "".join(line for line in lines if f'"stream":"{self.stream}"' in line)
        with contextlib.redirect_stdout(io.StringIO()):
            Loader(config=settings).listen(io.StringIO(of_stream))
        with contextlib.closing(sqlite3.connect(self.file)) as warehouse:
            rows = warehouse.execute(f"SELECT id FROM {self.stream}")  # noqa: S608
            return {key for (key,) in rows}


def ids(clinic: Sandbox) -> set[int]:
    return {row["id"] for row in clinic.rows("blocked_times")}


def activations(synced: Run) -> list[int]:
    return [m["version"] for m in synced.messages if m["type"] == "ACTIVATE_VERSION"]


def test_only_rows_that_bookio_removed_are_dropped(
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


def test_without_detect_deletions_the_warehouse_keeps_removed_rows(
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


def test_records_have_the_version_that_is_activated_after_them(tap: Tap) -> None:
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
    assert second.state["bookmarks"]["blocked_times"] == first.state["bookmarks"]["blocked_times"]


def of_facility(clinic: Sandbox, facility: int) -> list[int]:
    rows = clinic.rows("blocked_times")
    return sorted(row["id"] for row in rows if row["facilityId"] == facility)


def facilities(clinic: Sandbox) -> list[int]:
    return [row["id"] for row in clinic.rows("facilities")]


def test_a_facility_that_lost_nearly_all_its_rows_is_not_believed(
    tap: Tap, clinic: Sandbox
) -> None:
    first = tap()
    smallest = min(facilities(clinic), key=lambda key: len(of_facility(clinic, key)))
    gone = of_facility(clinic, smallest)[3:]
    assert 10 < len(gone) < len(ids(clinic)) // 2
    for key in gone:
        clinic.remove("blocked_times", key)
    second = tap(state=first.state)
    assert second.code == 1
    assert activations(second) == []
    assert f"facility {smallest}: {len(gone)} of" in second.errors[0]
    state = first.state
    for partition in state["bookmarks"]["blocked_times"]["partitions"]:
        if partition["context"]["facilityId"] == smallest:
            del partition["rows"]  # as the message advises
    assert tap(state=state).code == 0


def test_rows_of_a_facility_that_left_the_scope_are_kept(tap: Tap, clinic: Sandbox) -> None:
    first = tap()
    here, *others = facilities(clinic)
    second = tap(state=first.state, facility_ids=[here])
    assert second.code == 1
    assert activations(second) == []
    assert f"facility {others[0]}: not in scope" in second.errors[0]
    state = first.state
    of_stream = state["bookmarks"]["blocked_times"]
    of_stream["partitions"] = [
        p for p in of_stream["partitions"] if p["context"]["facilityId"] == here
    ]  # as the message advises
    third = tap(state=state, facility_ids=[here])
    assert third.code == 0, third.stderr
    assert len(activations(third)) == 1


def test_each_facility_has_its_count_in_the_state(tap: Tap, clinic: Sandbox) -> None:
    partitions = tap().state["bookmarks"]["blocked_times"]["partitions"]
    counts = {p["context"]["facilityId"]: p["rows"] for p in partitions}
    assert counts == {key: len(of_facility(clinic, key)) for key in facilities(clinic)}


def test_a_count_of_the_whole_stream_is_still_used(tap: Tap, clinic: Sandbox) -> None:
    before = len(ids(clinic))
    assert tap(state={"bookmarks": {"blocked_times": {"rows": 3 * before}}}).code == 1
    synced = tap(state={"bookmarks": {"blocked_times": {"rows": before}}})
    assert synced.code == 0
    assert "rows" not in synced.state["bookmarks"]["blocked_times"]


def test_detect_deletions_all_deletes_unlisted_reservations(
    tap: Tap, clinic: Sandbox, tmp_path: Path
) -> None:
    """``all`` reads the reservations in full, too, under the same guard."""
    warehouse = Warehouse(tmp_path, "reservations")
    tap.settings["detect_deletions"] = "all"
    first = tap()
    warehouse.load(first)
    gone = clinic.rows("reservations")[7]["id"]
    clinic.remove("reservations", gone)
    second = tap(state=first.state)
    assert second.code == 0, second.stderr
    assert [m["stream"] for m in second.messages if m["type"] == "ACTIVATE_VERSION"] == [
        "blocked_times",
        "reservations",
    ]
    assert warehouse.load(second) == {row["id"] for row in clinic.rows("reservations")}
    for row in clinic.rows("reservations"):
        clinic.remove("reservations", row["id"])
    third = tap(state=second.state)
    assert third.code == 1
    assert "reservations" in third.errors[0]
    assert "vanished" in third.errors[0]
    activated = [m["stream"] for m in third.messages if m["type"] == "ACTIVATE_VERSION"]
    assert activated == ["blocked_times"]


def test_dropped_rows_are_not_reported_as_kept(tap: Tap, clinic: Sandbox) -> None:
    """ACTIVATE_VERSION drops what vanished, so no advice to set detect_deletions follows."""
    first = tap()
    clinic.remove("blocked_times", clinic.rows("blocked_times")[0]["id"])
    second = tap(state=first.state)
    assert second.code == 0, second.stderr
    assert activations(second) != []
    assert "lists at least" not in second.stderr


def test_detect_deletions_true_warns_if_reservations_became_fewer(
    tap: Tap, clinic: Sandbox
) -> None:
    """One request of one row a facility; the control is a run in which nothing vanished."""
    first = tap(detect_deletions=False)
    assert "lists at least" not in tap(state=first.state).stderr
    row = clinic.rows("reservations")[7]
    clinic.remove("reservations", row["id"])
    since = len(clinic.requests("list_reservations"))
    second = tap(state=first.state)
    assert second.code == 0, second.stderr
    assert f"facility {row['facilityId']}: Bookio lists at least 1 fewer rows" in second.stderr
    assert activations(second) != []
    asked = [r["query"] for r in clinic.requests("list_reservations")[since:]]
    assert sum("lastSync" not in query for query in asked) == len(facilities(clinic))
    assert "lists at least" not in tap(state=second.state).stderr
