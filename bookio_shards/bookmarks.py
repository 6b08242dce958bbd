"""Distributes the bookmarks of old states of tap-bookio among new states. Pure.

What a state contains (docs/design/bookmark.md), and what becomes of it:

1. ``bookmarks.<stream>.partitions[]``, one for each facility: each moves unchanged to the new state
   of its facility. If two old states have the same facility, the older bookmark wins: an older one
   only makes the next run read some rows again, whereas a newer one might skip rows.
2. ``bookmarks.<stream>.personal_data``, the least strict mode that was ever loaded: every new state
   gets the least strict one of all old states, so that the warning about such data is not lost.
3. A bookmark beside ``partitions``, which a token without the right to list facilities has: it
   belongs to no facility and so to no shard. It is refused, and so is any key unknown to us.
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


class HeldBookmark(NamedTuple):
    """The bookmark of one facility in one stream, and the old state that holds it."""

    state_id: str
    stream: str
    facility_id: int
    partition: State

    @property
    def age_key(self) -> tuple[int, int]:
        """Sorts first the bookmark that makes the next run read most, so that nothing is skipped.

        Without a value, a run reads everything. Of two equal values, the longer scan makes the run
        look back further.
        """
        value = self.partition.get("replication_key_value") or 0
        return value, -self.partition.get("scan_ms", 0)


class Distribution(NamedTuple):
    """The new states, by id, and what was left out."""

    states: dict[str, State]
    sources: dict[str, set[str]]
    """For each new state, the old states that its bookmarks come from."""
    passed_over: list[HeldBookmark]
    """Bookmarks that are not used, because another old state has an older one."""


def checked(state_id: str, state: State) -> State:
    """Return a state if it can be distributed. Raises ``SettingsError``."""
    try:
        check_state(state, NAMES)
    except SettingsError as error:
        msg = f"{state_id}: {error}"
        raise SettingsError(msg) from error
    for stream, entry in state.get("bookmarks", {}).items():
        if unknown := sorted(key for key in entry.keys() - _STREAM_WIDE if entry[key]):
            msg = (
                f"{state_id}: {unknown[0]} in bookmarks.{stream} belongs to no facility, so it "
                "cannot be moved; remove it with meltano state edit, and the rows that it covers "
                "are read again"
            )
            raise SettingsError(msg)
    return state


def distribute(states: Mapping[str, State], layout: Layout) -> Distribution:
    """Return the states that hold the same bookmarks in another layout."""
    # Oldest first, so that the first bookmark of a facility is the one to use. A later one that is
    # equal differs in nothing, and need not be reported.
    taken: dict[tuple[str, int], HeldBookmark] = {}
    passed_over = []
    for held in sorted(_held(states), key=lambda held: held.age_key):
        first = taken.setdefault((held.stream, held.facility_id), held)
        if first is not held and first.partition != held.partition:
            passed_over.append(held)
    # A shard without facilities gets no state. Any other has all streams, even those in which its
    # facilities have no bookmark yet: their personal_data counts as well.
    stream_wide = _stream_wide(states)
    new = Distribution({}, {}, passed_over)
    for (stream, facility_id), held in sorted(taken.items()):
        state_id = layout.state_id_of(facility_id)
        if state_id not in new.states:
            streams = {name: {**facts} for name, facts in stream_wide.items()}
            new.states[state_id] = {"bookmarks": streams}
        entry = new.states[state_id]["bookmarks"][stream]
        entry.setdefault(_PARTITIONS, []).append(held.partition)
        new.sources.setdefault(state_id, set()).add(held.state_id)
    return new


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
    """Return the facilities that have bookmarks in a state."""
    return {held.facility_id for held in _held({"": state})}


def _held(states: Mapping[str, State]) -> Iterator[HeldBookmark]:
    for state_id, state in states.items():
        for stream, entry in state.get("bookmarks", {}).items():
            for partition in entry.get(_PARTITIONS, []):
                yield HeldBookmark(state_id, stream, partition["context"]["facilityId"], partition)


def _stream_wide(states: Mapping[str, State]) -> dict[str, dict[str, Any]]:
    """Return the part of each stream that all new states share, whatever their facilities."""
    entries: dict[str, list[State]] = {}
    for state in states.values():
        for stream, entry in state.get("bookmarks", {}).items():
            entries.setdefault(stream, []).append(entry)
    modes = {
        stream: laxest(entry.get(PERSONAL_DATA) for entry in each)
        for stream, each in sorted(entries.items())
    }
    return {stream: {} if mode is None else {PERSONAL_DATA: mode} for stream, mode in modes.items()}
