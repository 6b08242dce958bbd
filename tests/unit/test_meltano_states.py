"""Reading the states of a Meltano project, which other pipelines keep theirs in as well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bookio_shards.meltano_states import MeltanoError, MeltanoStates

MELTANO = Path(__file__).parents[1] / "meltano_of_states.sh"
OURS = {"bookmarks": {"reservations": {"partitions": [{"context": {"facilityId": 1}}]}}}
DAMAGED = [
    [],
    "a state",
    {"completed": ["a state"]},
    {"completed": {"singer_state": 1}, "partial": {"singer_state": {"bookmarks": {}}}},
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "meltano.yml").touch()
    return tmp_path


def read(project: Path, exported: Any, *state_ids: str) -> dict[str, Any]:
    text = exported if isinstance(exported, str) else json.dumps(exported)
    (project / "states.json").write_text(text)
    return MeltanoStates(str(MELTANO), project, None).read(state_ids)


@pytest.mark.parametrize("parts", [{"completed"}, {"partial"}, {"completed", "partial"}])
def test_either_part_of_a_state_may_be_missing(project: Path, parts: set[str]) -> None:
    stored = {part: {"singer_state": OURS} for part in parts}
    assert read(project, {"ours": stored, "empty": {}}, "ours", "empty", "none") == {"ours": OURS}


@pytest.mark.parametrize("damaged", DAMAGED)
def test_only_a_damaged_state_of_the_shards_matters(project: Path, damaged: Any) -> None:
    """Another pipeline's state is not looked at; one of our own is named in one line."""
    states = {"ours": {"completed": {"singer_state": OURS}}, "other": damaged}
    assert read(project, states, "ours") == {"ours": OURS}
    with pytest.raises(MeltanoError, match="other: this state is damaged, so no run can"):
        read(project, states, "ours", "other")


@pytest.mark.parametrize("printed", ["[]", "Meltano 3", "[" * 100_000])
def test_output_without_states_is_refused(project: Path, printed: str) -> None:
    with pytest.raises(MeltanoError, match="printed no states; use Meltano 4"):
        read(project, printed, "ours")
