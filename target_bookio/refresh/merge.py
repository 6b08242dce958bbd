"""Compares a listed row with the mirrored one: late, or changed by somebody (rule 6)? Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from target_bookio.refresh.listed_row import FIXED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_bookio.plan.operations import Digest, Row

REMOVED = "removed"
"""In a window: we removed the row, so a list that shows it is late."""
_NEVER_CHANGES = frozenset({"id", "facilityId", "serviceId", FIXED})


class Merged(NamedTuple):
    """A mirrored row after a list showed it."""

    row: Row | None
    """``None``: the row is gone, and the list is late."""
    is_late: bool
    """The list shows an earlier value, so the row's current state is unknown."""
    replaced: Mapping[str, str]
    """Digests of the values that have changed according to the list, by field."""


def merge(
    old: Row | None,
    listed: Row,
    before: Mapping[str, tuple[str, ...]],
    digest: Digest,
) -> Merged:
    """Merge a listed row into the mirrored one.

    ``before`` are the digests of earlier values if the row's window is open, else nothing. Cases:

    1. The list shows what the mirror has, or something that the mirror does not know: take it.
    2. It shows a value that the row had before in its window. A late list or a person who put it
       back: that is unknown, so the mirror keeps its value and the row is held.
    3. It shows a third value: somebody changed it. Take it, and remember what was there.

    A field that the list does not show stays as it is.
    """
    if old is None and REMOVED in before:
        return Merged(None, is_late=True, replaced={})
    shown = listed.keys() - _NEVER_CHANGES
    if old is not None:
        shown = {name for name in shown if old.get(name) not in (None, listed[name])}
    if any(digest(listed[name]) in before.get(name, ()) for name in shown):
        return Merged(listed if old is None else old, is_late=True, replaced={})
    if old is None:
        return Merged(listed, is_late=False, replaced={})
    replaced = {name: digest(old[name]) for name in shown}
    fixed = {**old.get(FIXED, {}), **listed.get(FIXED, {})}
    row = {**old, **listed, **({FIXED: fixed} if fixed else {})}
    return Merged(row, is_late=False, replaced=replaced)
