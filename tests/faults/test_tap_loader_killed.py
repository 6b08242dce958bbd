"""A loader that is killed at any flush: the next runs load what it lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.loaders import DuckDb, Loader, Postgres

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.cli import Tap
    from tests.conftest import StartSandbox

STREAMS = ("facilities", "calendars", "reservations", "blocked_times")


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=600, seed=6)


BATCHES = {
    "more than a batch of each list": 200,
    "blocked times wait while reservations are flushed": 500,
}
"""Rows in a batch; the clinic has 600 reservations and fewer blocked times than 500."""
KINDS = [
    ("target-duckdb", "more than a batch of each list"),
    ("target-duckdb", "blocked times wait while reservations are flushed"),
    ("target-postgres", "more than a batch of each list"),
]


@pytest.fixture(params=KINDS, ids=" ".join)
def new_loader(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Loader]:
    """Return a function that makes a loader with an empty warehouse."""
    made = iter(range(100))

    def make() -> Loader:
        folder = tmp_path / f"warehouse-{next(made)}"
        folder.mkdir()
        name, batch = request.param
        if name == "target-duckdb":
            return DuckDb(folder, BATCHES[batch])
        return Postgres(folder, BATCHES[batch], request.getfixturevalue("postgres_port"))

    return make


def lost(loader: Loader, clinic: Sandbox) -> dict[str, set[int]]:
    """Return the ids that Bookio lists and the warehouse lacks, by stream."""
    of_bookio = {stream: {row["id"] for row in clinic.rows(stream)} for stream in STREAMS}
    missing = {stream: ids - loader.ids(stream) for stream, ids in of_bookio.items()}
    return {stream: ids for stream, ids in missing.items() if ids}


def killed_at(loader: Loader, singer: str, flush: int) -> tuple[bool, Any]:
    """Return whether the loader was killed, and the state that it left."""
    loaded = loader.load(singer, kill_at_flush=flush)
    return loaded.code != 0, loaded.states[-1] if loaded.states else None


def test_a_loader_killed_at_any_flush_and_resumed_has_every_row(
    tap: Tap, clinic: Sandbox, new_loader: Callable[[], Loader]
) -> None:
    """A loader's STATE covers only loaded rows, so lost rows are read again."""
    first = tap()
    flush = 1
    while True:
        loader = new_loader()
        was_killed, state = killed_at(loader, first.stdout, flush)
        if not was_killed:
            break
        resumed = tap(state=state)
        assert resumed.code == 0, resumed.stderr
        assert loader.load(resumed.stdout).code == 0
        assert lost(loader, clinic) == {}, f"killed at flush {flush}"
        flush += 1
    assert flush > 2, "a loader that flushes so rarely proves nothing"


def test_without_the_first_state_message_rows_are_lost(
    tap: Tap, clinic: Sandbox, tmp_path: Path
) -> None:
    """The control: target-duckdb treats the first STATE that it sees as loaded."""
    messages = tap().messages
    assert messages[0]["type"] == "STATE"
    singer = "".join(json.dumps(message) + "\n" for message in messages[1:])
    loader = DuckDb(tmp_path, BATCHES["blocked times wait while reservations are flushed"])
    was_killed, state = killed_at(loader, singer, 1)
    assert was_killed
    loader.load(tap(state=state).stdout)
    assert lost(loader, clinic).keys() == {"blocked_times"}
