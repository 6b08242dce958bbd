"""A token that sees many clinics: what a run costs grows with their number, not with its square."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tap_bookio.paged_stream import MAX_STATES
from tests.cli import Tap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartSandbox

FACILITIES = 3 * MAX_STATES
PAGED = ("blocked_times", "reservations")


def test_the_number_of_state_messages_does_not_grow_with_facilities(
    start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    """Each STATE holds every bookmark so far, and a crash costs a fiftieth of a stream at most."""
    sandbox = start_sandbox(facilities=FACILITIES)
    run = Tap(sandbox, tmp_path)()
    assert run.code == 0, run.stderr
    for stream in PAGED:
        moved = []
        for message in run.messages:
            if message["type"] == "STATE":
                partitions = message["value"]["bookmarks"].get(stream, {}).get("partitions", [])
                moved.append(sum("replication_key_value" in each for each in partitions))
        steps = [after - before for before, after in pairwise(moved)]
        assert moved[-1] == FACILITIES
        assert max(steps) == FACILITIES // MAX_STATES
        assert sum(step > 0 for step in steps) == MAX_STATES
