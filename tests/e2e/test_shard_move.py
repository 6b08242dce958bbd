"""bookio-shards move, with a real Meltano: nothing is read in full again, and nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from bookio_sandbox.running import in_thread
from bookio_shards.assignment import assign
from tests.cli import Run, Tap, run
from tests.loaders import MELTANO, missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from bookio_sandbox.running import Sandbox

pytestmark = pytest.mark.slow
STREAMS = ("reservations", "blocked_times")
NEW_FACILITIES = range(1, 12)
CHANGED = (1, 4, 7)
"""Facilities with a new reservation between the runs before and after the move."""
HOUR_S = 3600
"""Longer than the look-back of a run."""
States = dict[str, Any]


class Project:
    """A Meltano project that keeps its states in a database or a folder."""

    def __init__(self, folder: Path, **variables: str) -> None:
        if not MELTANO.exists():
            missing("Meltano")
        self.folder = folder
        self._environment = {"PATH": os.defpath, "HOME": str(folder), **variables}
        (folder / "meltano.yml").write_text("send_anonymous_usage_stats: false\n")

    def meltano(self, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            [str(MELTANO), "--log-level=warning", *arguments],
            cwd=self.folder,
            input=stdin,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def store(self, states: States, of_failed: States | None = None) -> None:
        """Keep states of runs that ended well, and those of later runs that failed half-way."""
        parts = {
            key: {
                "completed": {"singer_state": state},
                "partial": {"singer_state": (of_failed or {}).get(key, {})},
            }
            for key, state in states.items()
        }
        self.meltano("state", "import", stdin=json.dumps(parts))

    def states(self) -> States:
        exported = json.loads(self.meltano("state", "export"))
        return {key: parts["completed"]["singer_state"] for key, parts in exported.items()}

    def move(self, *options: str) -> Run:
        own = ("--project", str(self.folder), "--meltano", str(MELTANO))
        return run("bookio-shards", "move", *own, *options, **self._environment)


@pytest.fixture(scope="module")
def clinic() -> Iterator[Sandbox]:
    with in_thread(size=100, clock=datetime.now(UTC)) as sandbox:
        for key in NEW_FACILITIES:
            sandbox.insert("facilities", id=key, timeZone="Europe/Bratislava")
            for _ in range(3):
                sandbox.insert("reservations", facilityId=key)
        sandbox.advance(seconds=HOUR_S)
        yield sandbox


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_after_a_move_from_4_to_8_shards_only_changes_are_read(
    clinic: Sandbox, tap: Tap, project: Project
) -> None:
    """Every request after the move continues from its facility's bookmark."""
    facilities = [row["id"] for row in clinic.rows("facilities")]
    before = {
        f"clinics-{shard.name}": tap(facility_ids=ids)
        for shard, ids in assign(facilities, 4).items()
    }
    older = {state_id: {"bookmarks": {"calendars": {}}} for state_id in before}
    project.store(older, of_failed={state_id: each.state for state_id, each in before.items()})
    clinic.advance(seconds=HOUR_S)
    changed = [clinic.insert("reservations", facilityId=key) for key in CHANGED]

    moved = project.move("--from=4", "--to=8", "--prefix=clinics-", "--yes")
    assert moved.code == 0, moved.stderr

    clinic.control("/requests", method="DELETE")
    new = {shard: ids for shard, ids in assign(facilities, 8).items() if ids}
    assert len(new) > 4
    states = project.states()
    after = [
        tap(facility_ids=ids, state=states[f"clinics-{shard.name}"]) for shard, ids in new.items()
    ]
    assert ids_in(after) == sorted(changed)
    everything = [row["id"] for stream in STREAMS for row in clinic.rows(stream)]
    assert sorted(ids_in(before.values()) + changed) == sorted(everything)
    lists = [r for r in clinic.requests() if r["operation"].removeprefix("list_") in STREAMS]
    asked = {(r["operation"], r["query"]["facilityId"]) for r in lists}
    assert len(asked) == len(STREAMS) * len(facilities)
    assert [request for request in lists if "lastSync" not in request["query"]] == []
    assert len(ids_in([tap(facility_ids=[1])])) > 3, "without its bookmark all of it is read"


def ids_in(runs: Iterable[Run]) -> list[int]:
    assert [each.stderr for each in runs if each.code] == []
    return sorted(r["id"] for each in runs for stream in STREAMS for r in each.records(stream))


def test_a_plan_is_shown_and_confirmed_before_anything_is_written(
    tap: Tap, project: Project
) -> None:
    """From one state without shards, the usual starting point."""
    whole = tap().state
    project.store({"clinics": whole})
    move = ("--from-state-id=clinics", "--to=2")
    shown = project.move(*move, "--dry-run")
    assert shown.code == 0
    assert "+ shard-00of02: " in shown.stdout
    assert "Plan: 2 to create, 0 to replace, 0 there already, 0 to delete." in shown.stdout
    unasked = project.move(*move)
    assert (unasked.code, unasked.stdout) == (1, shown.stdout)
    assert "move needs --yes if there is no terminal" in unasked.stderr
    assert project.states() == {"clinics": whole}


def test_states_in_a_folder_are_moved_as_well(clinic: Sandbox, tap: Tap, tmp_path: Path) -> None:
    """Whatever keeps them, the old ones go only on demand, and only once the new one is there."""
    folder = Project(tmp_path, MELTANO_STATE_BACKEND_URI=f"file://{tmp_path}/states")
    first, second = assign([row["id"] for row in clinic.rows("facilities")], 2).items()
    folder.store({shard.name: tap(facility_ids=ids).state for shard, ids in (first, second)})
    moved = folder.move("--from=2", "--to-state-id=whole", "--delete-old", "--yes")
    assert moved.code == 0, moved.stderr
    [(state_id, state)] = folder.states().items()
    assert state_id == "whole"
    held = {p["context"]["facilityId"] for p in state["bookmarks"]["reservations"]["partitions"]}
    assert held == {*first[1], *second[1]}


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--from=4", "--to=8"], "the project has no bookmarks in shard-00of04 and 3 more"),
        (["--from=4", "--to=8", "--environment=nowhere"], "meltano state export failed"),
        (["--from=4", "--to=8", "--meltano=nowhere"], "nowhere cannot be run"),
        (["--from=4", "--to=8", "--project=nowhere"], "nowhere has no meltano.yml"),
        (["--from=4", "--to=65"], "65 shards are not possible"),
        (["--from=4"], "give either --to or --to-state-id"),
    ],
)
def test_an_unmovable_state_is_reported_in_one_line(
    project: Project, options: list[str], line: str
) -> None:
    failed = project.move(*options)
    assert (failed.code, failed.stdout) == (1, "")
    [said] = failed.stderr.splitlines()
    assert line in said
