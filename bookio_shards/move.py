"""Moves bookmarks from one layout of shards to another: plan, then apply.

A move may be killed at any moment, and repeated:

1. The old states are only read. They are deleted last, if at all, and only after the new ones have
   been read back.
2. A new state that already holds what it should is left alone. One that holds anything else is
   replaced only with --overwrite, because runs may have continued from it.
3. If an old state has changed in the meantime, a run was active. The new states are then older than
   that run, so they lose nothing, but the move fails and says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.errors import SettingsError
from bookio_shards.bookmarks import HeldBookmark, checked, distribute, facilities_in, holds
from bookio_shards.meltano_states import MeltanoError

if TYPE_CHECKING:
    from bookio_shards.layout import Layout
    from bookio_shards.meltano_states import MeltanoStates
    from tap_bookio.bookmark import State


class Action(Enum):
    """What happens to a new state; the value is its sign in the plan."""

    CREATE = "+"
    KEEP = "="
    REPLACE = "~"


class Change(NamedTuple):
    """What happens to one new state."""

    state_id: str
    action: Action
    state: State
    sources: list[str]

    def __str__(self) -> str:
        """Return its line of the plan."""
        count = len(facilities_in(self.state))
        facilities = "1 facility" if count == 1 else f"{count} facilities"
        line = f"{self.action.value} {self.state_id}: {facilities} from {', '.join(self.sources)}"
        if self.action is Action.KEEP:
            return f"{line}, there already"
        return f"{line}, replacing other bookmarks" if self.action is Action.REPLACE else line


@dataclass(frozen=True)
class Plan:
    """What a move does."""

    old: Mapping[str, State]
    """The old states, as they were when the plan was made."""
    changes: list[Change]
    passed_over: list[HeldBookmark]
    deletes_old: bool

    def lines(self) -> Iterator[str]:
        """Yield the lines of the plan, for confirmation."""
        yield from map(str, self.changes)
        if self.deletes_old:
            yield from (f"- {state_id}" for state_id in self.old)
        for held in self.passed_over:
            yield (
                f"! {held.stream}, facility {held.facility_id}: the bookmark in {held.state_id} "
                "is not used, because another state has an older one"
            )
        counts = dict.fromkeys(Action, 0)
        for change in self.changes:
            counts[change.action] += 1
        deleted = len(self.old) if self.deletes_old else 0
        yield (
            f"Plan: {counts[Action.CREATE]} to create, {counts[Action.REPLACE]} to replace, "
            f"{counts[Action.KEEP]} there already, {deleted} to delete."
        )

    @property
    def changes_nothing(self) -> bool:
        """Whether every state is already as planned."""
        return not self.deletes_old and all(c.action is Action.KEEP for c in self.changes)


def make_plan(
    states: Mapping[str, Any], old: Layout, new: Layout, *, overwrite: bool, deletes_old: bool
) -> Plan:
    """Compare the states of a project with what they should be. Raises ``SettingsError``."""
    if both := set(old.state_ids) & set(new.state_ids):
        msg = f"{min(both)} is among the old states and the new ones; move to others"
        raise SettingsError(msg)
    moved = {key: checked(key, states[key]) for key in old.state_ids if key in states}
    if not any(map(facilities_in, moved.values())):
        msg = (
            f"the project has no bookmarks in {_named(old.state_ids)}; "
            "look at meltano state list, and set --from and --prefix"
        )
        raise SettingsError(msg)
    distribution = distribute(moved, new)
    changes = [
        Change(key, _action(states.get(key), wanted), wanted, sorted(distribution.sources[key]))
        for key, wanted in sorted(distribution.states.items())
    ]
    others = [c.state_id for c in changes if c.action is Action.REPLACE]
    if others and not overwrite:
        msg = (
            f"there are other bookmarks in {_named(others)} already: if runs have continued from "
            "them, the move is done; if not, repeat it with --overwrite, and rows that were read "
            "since are read again"
        )
        raise SettingsError(msg)
    return Plan(moved, changes, distribution.passed_over, deletes_old)


def apply_plan(plan: Plan, store: MeltanoStates) -> None:
    """Write the new states, read them back, and then delete the old ones if that is planned."""
    written = {c.state_id: c.state for c in plan.changes if c.action is not Action.KEEP}
    if written:
        store.write(written)
    after = store.read((*plan.old, *(change.state_id for change in plan.changes)))
    # Deleting comes last: a bookmark that Meltano did not store, or that a run has advanced since,
    # is then still in an old state.
    lost = [c.state_id for c in plan.changes if not holds(after.get(c.state_id, {}), c.state)]
    if lost:
        msg = f"Meltano did not store what was written to {_named(lost)}; the old states remain"
        raise MeltanoError(msg)
    moved_on = [key for key, state in plan.old.items() if after.get(key) != state]
    if moved_on:
        msg = (
            f"a run changed {_named(moved_on)} during the move; wait until no run is active, then "
            "repeat the move with --overwrite; the old states remain"
        )
        raise MeltanoError(msg)
    if plan.deletes_old:
        for state_id in plan.old:
            store.clear(state_id)


def _action(there: Any, wanted: State) -> Action:  # noqa: ANN401 - any tap's
    if not there:
        return Action.CREATE
    return Action.KEEP if holds(there, wanted) else Action.REPLACE


def _named(state_ids: list[str] | tuple[str, ...]) -> str:
    first, *others = state_ids
    return f"{first} and {len(others)} more" if others else first
