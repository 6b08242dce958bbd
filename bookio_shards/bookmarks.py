"""Distributes the bookmarks of some states of tap-bookio to other states. Pure.

The contents of a state, and where they go (docs/design/bookmark.md):

1. ``bookmarks.<stream>.partitions[]``, one for each facility: goes unchanged to the state that the
   facility belongs to now. If two states have the same facility, the older bookmark is taken: what
   was read since is read once more.
2. ``bookmarks.<stream>.personal_data``, the laxest mode that was loaded: the laxest of all states.
3. A bookmark beside ``partitions``, of a token that may not list facilities: belongs to no
   facility, so it is refused, and so is everything that we do not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.errors import SettingsError
from tap_bookio.state_check import check_state
from tap_bookio.stored_personal_data import STATE_KEY as PERSONAL_DATA
from tap_bookio.stored_personal_data import laxest
from tap_bookio.tap import NAMES

if TYPE_CHECKING:
    from bookio_shards.layout import Layout
    from tap_bookio.bookmark import State

_PARTITIONS = "partitions"
_STREAM_WIDE = {_PARTITIONS, PERSONAL_DATA}


class Held(NamedTuple):
    """The bookmark of one facility in one stream, from one state."""

    state_id: str
    stream: str
    facility_id: int
    partition: State

    @property
    def age_key(self) -> tuple[int, int]:
        """Sorts the one first after which most is read again; one without a bookmark reads all."""
        value = self.partition.get("replication_key_value") or 0
        return value, -self.partition.get("scan_ms", 0)


class Dealt(NamedTuple):
    """The new states, by id, and what was left out."""

    states: dict[str, State]
    sources: dict[str, set[str]]
    """The states that each of them was made of."""
    passed_over: list[Held]
    """Newer bookmarks of facilities that another state has an older one of."""


def checked(state_id: str, state: State) -> State:
    """Return a state that can be distributed. Raises ``SettingsError``."""
    try:
        check_state(state, NAMES)
    except SettingsError as error:
        msg = f"{state_id}: {error}"
        raise SettingsError(msg) from error
    for stream, entry in state.get("bookmarks", {}).items():
        if unknown := sorted(key for key in entry.keys() - _STREAM_WIDE if entry[key]):
            msg = (
                f"{state_id}: {unknown[0]} in bookmarks.{stream} belongs to no facility, so it "
                "cannot be moved; remove it with meltano state edit, and rows that depend on it "
                "are read again"
            )
            raise SettingsError(msg)
    return state


def deal(states: Mapping[str, State], layout: Layout) -> Dealt:
    """Return the states that hold the same bookmarks in another layout."""
    stream_wide = _stream_wide(states)
    taken: dict[tuple[str, int], Held] = {}
    passed_over = []
    for held in sorted(_held(states), key=lambda held: held.age_key):
        first = taken.setdefault((held.stream, held.facility_id), held)
        if first is not held and first.partition != held.partition:
            passed_over.append(held)
    dealt = Dealt({}, {}, passed_over)
    for (stream, facility_id), held in sorted(taken.items()):
        state_id = layout.state_id_of(facility_id)
        if state_id not in dealt.states:
            streams = {name: {**facts} for name, facts in stream_wide.items()}
            dealt.states[state_id] = {"bookmarks": streams}
        entry = dealt.states[state_id]["bookmarks"][stream]
        entry.setdefault(_PARTITIONS, []).append(held.partition)
        dealt.sources.setdefault(state_id, set()).add(held.state_id)
    return dealt


def holds(state: Any, wanted: State) -> bool:  # noqa: ANN401 - it may be any tap's
    """Whether a state has everything that another has, unchanged; it may have more facilities."""
    try:
        check_state(state, NAMES)
    except SettingsError:
        return False
    there: Mapping[str, State] = state.get("bookmarks", {})
    return all(
        there.get(stream, {}).get(PERSONAL_DATA) == entry.get(PERSONAL_DATA)
        and all(
            partition in there.get(stream, {}).get(_PARTITIONS, [])
            for partition in entry.get(_PARTITIONS, [])
        )
        for stream, entry in wanted["bookmarks"].items()
    )


def facilities_in(state: State) -> set[int]:
    """Return the facilities that a state has bookmarks of."""
    return {held.facility_id for held in _held({"": state})}


def _held(states: Mapping[str, State]) -> Iterator[Held]:
    for state_id, state in states.items():
        for stream, entry in state.get("bookmarks", {}).items():
            for partition in entry.get(_PARTITIONS, []):
                yield Held(state_id, stream, partition["context"]["facilityId"], partition)


def _stream_wide(states: Mapping[str, State]) -> dict[str, dict[str, Any]]:
    """Return what every new state has of each stream, whichever facilities it gets."""
    entries: dict[str, list[State]] = {}
    for state in states.values():
        for stream, entry in state.get("bookmarks", {}).items():
            entries.setdefault(stream, []).append(entry)
    modes = {
        stream: laxest(entry.get(PERSONAL_DATA) for entry in each)
        for stream, each in sorted(entries.items())
    }
    return {stream: {} if mode is None else {PERSONAL_DATA: mode} for stream, mode in modes.items()}
