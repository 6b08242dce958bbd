"""Pure: whether a list that shows a row is late, or somebody changed the row (rule 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from target_bookio.refresh.listed_row import FIXED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_bookio.plan.operations import Digest, Row

REMOVED = "removed"
"""In `Window.before`: we removed the row, so a list that shows it is late."""
_NEVER_CHANGES = frozenset({"id", "facilityId", "serviceId", FIXED})


class Merged(NamedTuple):
    """The result of merging a listed row into the mirrored one."""

    row: Row | None
    """The row to mirror; ``None`` if it was removed and the list is late."""
    is_late: bool
    """Whether the list shows an earlier value, so that the row's current state is unknown."""
    replaced: Mapping[str, str]
    """Digests of the mirror's values that the list contradicts, by field."""


def merge(
    old: Row | None,
    listed: Row,
    before: Mapping[str, tuple[str, ...]],
    digest: Digest,
) -> Merged:
    """Merge a listed row into the mirrored one.

    ``before`` are the digests of earlier values if the row's window is open, and empty otherwise.
    """
    # 1. We removed the row in its window: a list that shows it is late.
    if old is None and REMOVED in before:
        return Merged(None, is_late=True, replaced={})
    # 2. The list shows a value that the row had earlier in its window. Either the list is late, or
    #    a person has restored the value. So the mirror keeps its value, and the row is held.
    shown = listed.keys() - _NEVER_CHANGES
    if old is not None:
        shown = {name for name in shown if old.get(name) not in (None, listed[name])}
    if any(digest(listed[name]) in before.get(name, ()) for name in shown):
        return Merged(listed if old is None else old, is_late=True, replaced={})
    # 3. The mirror does not have the row yet.
    if old is None:
        return Merged(listed, is_late=False, replaced={})
    # 4. Equal values, or values that the mirror did not have: taken. A third value: somebody
    #    changed it, so it is taken too, and the caller opens a window with the replaced one. A
    #    field that the list does not show keeps its value.
    replaced = {name: digest(old[name]) for name in shown}
    fixed = {**old.get(FIXED, {}), **listed.get(FIXED, {})}
    row = {**old, **listed, **({FIXED: fixed} if fixed else {})}
    return Merged(row, is_late=False, replaced=replaced)
