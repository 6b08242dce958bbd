"""Refuses a state that tap-bookio cannot have written, before anything is read by it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from bookio_api.errors import SettingsError
from bookio_api.localtime import zone
from tap_bookio.bookmark import (
    ASSUMED_TIME_ZONE,
    FILTERS,
    REPLICATION_KEY,
    TIME_ZONE,
    Filters,
)
from tap_bookio.records.privacy import PersonalData
from tap_bookio.stored_personal_data import STATE_KEY as PERSONAL_DATA

if TYPE_CHECKING:
    from collections.abc import Collection

    from tap_bookio.bookmark import State

_EARLIEST_MS, _LATEST_MS = 10**12, 10**14
"""September 2001 and the year 5138: other numbers would be seconds or microseconds."""


def check_state(state: object, streams: Collection[str]) -> None:
    """Refuse a state that tap-bookio cannot have written with these streams."""
    if not isinstance(state, dict):
        raise _not_ours("it is not a JSON object")
    if state and state.keys() != {"bookmarks"}:
        raise _not_ours("it should contain bookmarks and nothing else")
    bookmarks = state.get("bookmarks", {})
    if not isinstance(bookmarks, dict):
        raise _not_ours("its bookmarks are not an object")
    for stream, entry in bookmarks.items():
        if stream not in streams:
            raise _not_ours(f"it has a bookmark for {stream!r}, which is not one of our streams")
        if not isinstance(entry, dict):
            raise _not_ours(f"the bookmark of {stream} is not an object")
        _check_entry(stream, entry)


def _check_entry(stream: str, entry: State) -> None:
    if entry.get(PERSONAL_DATA) not in (None, *PersonalData):
        raise _not_ours(f"the {PERSONAL_DATA} of {stream} is not a mode of that setting")
    partitions = entry.get("partitions", [])
    if not isinstance(partitions, list):
        raise _not_ours(f"the partitions of {stream} are not a list")
    seen: set[int] = set()
    for partition in partitions:
        context = partition.get("context") if isinstance(partition, dict) else None
        is_ours = isinstance(context, dict) and context.keys() == {"facilityId"}
        facility: object = context["facilityId"] if context and is_ours else None
        if type(facility) is not int or facility in seen:
            what = f"a partition of {stream} lacks a facilityId, has more than that, or repeats one"
            raise _not_ours(what)
        seen.add(facility)
        _check_value(f"{stream}, facility {facility}", partition)
    _check_value(stream, entry)


def _check_value(where: str, entry: State) -> None:
    if entry.get("replication_key", REPLICATION_KEY) != REPLICATION_KEY:
        raise _not_ours(f"the bookmark of {where} is not {REPLICATION_KEY}")
    value = entry.get("replication_key_value")
    if value is not None and (type(value) is not int or not _EARLIEST_MS <= value < _LATEST_MS):
        raise _not_ours(f"the bookmark of {where} is not in epoch milliseconds")
    if type(entry.get("scan_ms", 0)) is not int:
        raise _not_ours(f"the scan duration of {where} is not a number")
    if not {type(entry.get(count, 0)) for count in ("rows", "listed")} == {int}:
        raise _not_ours(f"a row count of {where} is not a number")
    if not isinstance(entry.get("progress_markers", {}), dict):
        raise _not_ours(f"the progress markers of {where} are not an object")
    if not all(_is_zone(entry.get(name, "UTC")) for name in (TIME_ZONE, ASSUMED_TIME_ZONE)):
        raise _not_ours(f"the time zone of {where} is not one")
    if not _are_filters(entry.get(FILTERS, {})):
        raise _not_ours(f"the filters of {where} are not as tap-bookio writes them")


def _are_filters(filters: object) -> bool:
    if not isinstance(filters, dict) or not filters.keys() <= set(Filters.__slots__):
        return False
    try:
        for day in ("first_day", "last_day"):
            date.fromisoformat(filters.get(day, "2000-01-01"))
    except (TypeError, ValueError):
        return False
    is_flag = type(filters.get("only_unsynced", True)) is bool
    return is_flag and type(filters.get("start_ms", 0)) is int


def _is_zone(name: object) -> bool:
    try:
        return isinstance(name, str) and bool(zone(name))
    except SettingsError:
        return False


def _not_ours(what: str) -> SettingsError:
    return SettingsError(
        f"the state was not written by this version of tap-bookio: {what}; "
        "run once without --state to read everything again"
    )
