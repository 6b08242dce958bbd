"""Moving bookmarks to another number of shards: none is lost, and none advances."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookio_api.errors import SettingsError
from bookio_shards.bookmarks import distribute
from bookio_shards.layout import Layout
from bookio_shards.meltano_states import MeltanoError
from bookio_shards.move import Action, Plan, apply_plan, make_plan
from tap_bookio.state_check import check_state
from tap_bookio.tap import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW_MS = 1_800_000_000_000
PAGED = ("reservations", "blocked_times")

Bookmarks = dict[tuple[str, int], dict[str, Any]]


def partition(facility_id: int, value: int | None = NOW_MS, **facts: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"context": {"facilityId": facility_id}, **facts}
    if value is not None:
        entry |= {"replication_key": "lastSync", "replication_key_value": value}
    return entry


def state(*partitions: dict[str, Any], stream: str = "reservations", **facts: Any) -> Any:
    return {"bookmarks": {stream: {**facts, "partitions": list(partitions)}}}


def bookmarks_in(states: dict[str, Any]) -> Bookmarks:
    """Return each partition of some states; none may be there twice."""
    found: Bookmarks = {}
    for each in states.values():
        for stream, entry in each["bookmarks"].items():
            for held in entry.get("partitions", []):
                key = (stream, held["context"]["facilityId"])
                assert key not in found
                found[key] = held
    return found


PARTITIONS = st.dictionaries(
    st.tuples(st.sampled_from(PAGED), st.integers(1, 10_000)),
    st.fixed_dictionaries(
        {"value": st.none() | st.integers(NOW_MS, NOW_MS + 9), "scan_ms": st.integers(0, 9)},
        optional={"rows": st.integers(0, 99), "filters": st.just({"first_day": "2026-01-01"})},
    ),
)


def sharded(wanted: dict[tuple[str, int], dict[str, Any]], layout: Layout) -> dict[str, Any]:
    """Return the states of shards that hold these partitions."""
    states: dict[str, Any] = {}
    for (stream, facility_id), facts in wanted.items():
        streams = states.setdefault(layout.state_id_of(facility_id), {"bookmarks": {}})["bookmarks"]
        entry = streams.setdefault(stream, {"personal_data": "omit", "partitions": []})
        entry["partitions"].append(partition(facility_id, **facts))
    return states


@given(wanted=PARTITIONS, before=st.integers(1, 64), after=st.integers(1, 64))
def test_each_bookmark_is_moved_unchanged_to_its_facilitys_shard(
    wanted: dict[tuple[str, int], dict[str, Any]], before: int, after: int
) -> None:
    """From any number to any other and back: the same bookmarks, each where its shard looks."""
    old, new = Layout.of_shards(before, "old-"), Layout.of_shards(after, "new-")
    states = sharded(wanted, old)
    moved = distribute(states, new)
    assert bookmarks_in(moved.states) == bookmarks_in(states)
    assert moved.passed_over == []
    for state_id, each in moved.states.items():
        check_state(each, NAMES)
        for _, facility_id in bookmarks_in({"": each}):
            assert new.state_id_of(facility_id) == state_id
    assert bookmarks_in(distribute(moved.states, old).states) == bookmarks_in(states)


def test_of_two_bookmarks_of_a_facility_the_older_is_taken() -> None:
    """Reading again is harmless, and leaving out is not; one without a bookmark is the oldest."""
    whole = Layout(("whole",))
    older, newer = partition(7, NOW_MS), partition(7, NOW_MS + 1)
    longer, none = partition(7, NOW_MS, scan_ms=9), partition(7, None)
    for first, second, taken in (
        (newer, older, older),
        (older, longer, longer),
        (older, none, none),
    ):
        distribution = distribute({"a": state(first), "b": state(second)}, whole)
        assert bookmarks_in(distribution.states) == {("reservations", 7): taken}
        [passed_over] = distribution.passed_over
        assert passed_over.partition != taken
    assert distribute({"a": state(older), "b": state(older)}, whole).passed_over == []


def test_the_least_strict_mode_of_personal_data_is_kept() -> None:
    """The warning about data still in the warehouse must not be lost with a shard."""
    states = {
        "a": state(partition(1), personal_data="omit"),
        "b": state(partition(2), personal_data="pseudonymise"),
        "c": {"bookmarks": {"calendars": {"personal_data": "keep"}, "facilities": {}}},
    }
    for each in distribute(states, Layout.of_shards(8, "")).states.values():
        assert each["bookmarks"]["reservations"]["personal_data"] == "pseudonymise"
        assert each["bookmarks"]["calendars"] == {"personal_data": "keep"}
        assert each["bookmarks"]["facilities"] == {}


class Store:
    """States as Meltano stores them in a folder: one after another, killed on demand."""

    def __init__(self, states: dict[str, Any], steps: int | None = None) -> None:
        self.states = copy.deepcopy(states)
        self.steps = steps

    def read(self, state_ids: Iterable[str]) -> dict[str, Any]:
        return copy.deepcopy({key: self.states[key] for key in state_ids if key in self.states})

    def write(self, states: dict[str, Any]) -> None:
        for state_id, each in states.items():
            self._step()
            self.states[state_id] = copy.deepcopy(each)

    def clear(self, state_id: str) -> None:
        self._step()
        del self.states[state_id]

    def _step(self) -> None:
        if self.steps == 0:
            raise KeyboardInterrupt
        if self.steps is not None:
            self.steps -= 1


OLD, NEW = Layout.of_shards(4, ""), Layout.of_shards(8, "")
BOTH = OLD.state_ids + NEW.state_ids
STATES = sharded({("reservations", key): {"value": NOW_MS} for key in range(60)}, OLD)


def plan(states: dict[str, Any], *, overwrite: bool = False, deletes_old: bool = False) -> Plan:
    return make_plan(states, OLD, NEW, overwrite=overwrite, deletes_old=deletes_old)


def actions(made: Plan) -> set[Action]:
    return {change.action for change in made.changes}


@pytest.mark.parametrize("steps", range(12))
def test_a_move_killed_at_any_step_loses_nothing_and_can_be_repeated(steps: int) -> None:
    """Whatever was written or deleted, one of old and new states holds each bookmark."""
    store = Store(STATES, steps)
    with pytest.raises(KeyboardInterrupt):
        apply_plan(plan(store.read(BOTH), deletes_old=True), store)
    old, new = (
        bookmarks_in({key: store.states[key] for key in layout.state_ids if key in store.states})
        for layout in (OLD, NEW)
    )
    assert old | new == new | old == bookmarks_in(STATES)
    store.steps = None
    apply_plan(plan(store.read(BOTH), deletes_old=True), store)
    assert set(store.states) == set(NEW.state_ids)
    assert bookmarks_in(store.states) == bookmarks_in(STATES)


def test_repeating_the_move_changes_nothing() -> None:
    store = Store(STATES)
    apply_plan(plan(store.read(BOTH)), store)
    again = plan(store.read(BOTH))
    assert actions(again) == {Action.KEEP}
    assert again.changes_nothing
    assert (
        list(again.lines())[-1] == "Plan: 0 to create, 0 to replace, 8 there already, 0 to delete."
    )
    assert not plan(store.read(BOTH), deletes_old=True).changes_nothing


def test_newer_states_of_new_shards_are_replaced_only_on_request() -> None:
    """Repeating a move after the new shards ran would lose progress, so it is refused."""
    store = Store(STATES)
    apply_plan(plan(store.read(BOTH)), store)
    partitions = store.states["shard-03of08"]["bookmarks"]["reservations"]["partitions"]
    partitions[0]["replication_key_value"] += 1
    with pytest.raises(SettingsError, match="other bookmarks in shard-03of08 already"):
        plan(store.read(BOTH))
    overwriting = plan(store.read(BOTH), overwrite=True)
    assert actions(overwriting) == {Action.KEEP, Action.REPLACE}
    apply_plan(overwriting, store)
    new = {key: store.states[key] for key in NEW.state_ids}
    assert bookmarks_in(new) == bookmarks_in(STATES)


class BusyStore(Store):
    """A run of an old shard ends while the new states are written."""

    def write(self, states: dict[str, Any]) -> None:
        super().write(states)
        [first, *_] = self.states["shard-01of04"]["bookmarks"]["reservations"]["partitions"]
        first["replication_key_value"] += 60_000


class ForgetfulStore(Store):
    """Says that it wrote, and did not."""

    def write(self, states: dict[str, Any]) -> None:
        super().write(dict(list(states.items())[1:]))


@pytest.mark.parametrize(
    ("store", "line"),
    [
        (BusyStore(STATES), "a run changed shard-01of04 during the move"),
        (ForgetfulStore(STATES), "did not store what was written to shard-00of08"),
    ],
)
def test_old_states_are_kept_unless_the_move_succeeded_and_no_shard_runs(
    store: Store, line: str
) -> None:
    with pytest.raises(MeltanoError, match=line):
        apply_plan(plan(store.read(BOTH), deletes_old=True), store)
    assert set(OLD.state_ids) <= set(store.states)


@pytest.mark.parametrize(
    ("states", "line"),
    [
        ({}, "no bookmarks in shard-00of04 and 3 more"),
        ({"shard-00of04": {"bookmarks": {"facilities": {}}}}, "no bookmarks in shard-00of04"),
        ({"shard-02of04": {"bookmarks": {"orders": {}}}}, "shard-02of04: the state was not"),
        ({"shard-01of04": state(personal_data=["keep"])}, "shard-01of04: the state was not"),
        (
            {"shard-00of04": {"bookmarks": {"reservations": {"replication_key_value": NOW_MS}}}},
            "shard-00of04: replication_key_value in bookmarks.reservations belongs to no facility",
        ),
    ],
)
def test_an_unmovable_state_is_refused(states: dict[str, Any], line: str) -> None:
    with pytest.raises(SettingsError, match=line):
        plan(states)
    with pytest.raises(SettingsError, match="among the old states and the new ones"):
        make_plan(STATES, OLD, OLD, overwrite=False, deletes_old=False)
