"""Decides whether missing rows may be deleted, from the number of rows in the last run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FEW = 10
"""This many rows may vanish from a facility, even if they are more than half of it."""


def rows_before(stream_state: Mapping[str, Any]) -> dict[int | None, int | None]:
    """Return the last run's counts by facility; None stands for all, if they are not listed."""
    partitions = stream_state.get("partitions", [])
    counts = {entry["context"]["facilityId"]: entry.get("rows") for entry in partitions}
    return {None: stream_state.get("rows"), **counts}


def note_count(state: dict[str, Any], listed: int | None) -> str | None:
    """Store in a facility's state how many rows are listed; return a warning if it dropped.

    New rows can hide missing ones, so the difference is a lower bound.
    """
    if listed is None:
        return None
    before, state["listed"] = state.get("listed"), listed
    if before is None or listed >= before:
        return None
    return (
        f"Bookio lists at least {before - listed} fewer rows than before ({before}, now {listed}); "
        "the warehouse keeps the missing rows; to drop them, set detect_deletions to all"
    )


def doubts(
    place: str, before: Mapping[int | None, int | None], now: Mapping[int | None, int]
) -> Iterator[tuple[int | None, str]]:
    """Yield the reasons against deleting, each with its facility; ``None`` stands for all of them.

    ``before`` and ``now`` count rows by facility; a count that is not known is ``None``.
    ``place`` is where the state holds the counts.
    """
    for facility in before.keys() - now.keys():
        if facility is not None and before[facility] != 0:
            yield (
                facility,
                (
                    "not in scope now, so none of its rows was deleted; "
                    f"to delete them, remove its partition from {place} in the state"
                ),
            )
    known = {facility: rows for facility, rows in before.items() if rows}
    for facility, rows in known.items():
        if _is_too_much(rows, now.get(facility, rows)):
            yield facility, _vanished(rows, now[facility], place)
    all_before, all_now = sum(known.values()), sum(now.values())
    if _is_too_much(all_before, all_now) or (all_before and not all_now):
        yield None, _vanished(all_before, all_now, place)


def _is_too_much(before: int, now: int) -> bool:
    vanished = before - now
    return vanished > before // 2 and vanished > FEW


def _vanished(before: int, now: int, place: str) -> str:
    return (
        f"{before - now} of {before} rows vanished since the last run, so none was deleted; "
        f"if they really are gone, remove rows from {place} in the state"
    )
