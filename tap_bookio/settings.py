"""The settings of tap-bookio, and the checks that JSON Schema cannot make."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from bookio_api.contract import BLOCKED_TIMES, MAX_PAGE_SIZE, RESOURCES
from bookio_api.errors import BookioError
from bookio_api.localtime import parse_datetime, to_epoch_ms, zone
from bookio_api.scan.scan import MIN_LIMIT
from bookio_singer.settings import (
    CONNECTION_SETTINGS,
    TIMEZONE_SETTING,
    client_from,
    facilities_problem,
)
from tap_bookio.batch_check import batch_problems
from tap_bookio.records.privacy import PersonalData, key_problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RANGED = tuple(name for name, resource in RESOURCES.items() if resource.date_filters)
"""Streams whose rows can be limited to days."""
ALL = "all"
DELETIONS = {False: (), True: (BLOCKED_TIMES,), ALL: RANGED}
"""Streams whose deletions are detected, by the values of ``detect_deletions``."""


def _date(title: str, description: str) -> dict[str, Any]:
    return {
        "type": ["string", "null"],
        "format": "date",
        "title": title,
        "description": f"{description} YYYY-MM-DD.",
    }


SETTINGS: dict[str, dict[str, Any]] = {
    **CONNECTION_SETTINGS,
    "start_date": {
        "type": ["string", "null"],
        "format": "date-time",
        "title": "Start date",
        "description": (
            "The first run reads only rows changed since then. A date or datetime, in the "
            "facility's time zone unless it has an offset. By default, all rows are read."
        ),
    },
    "facility_ids": {
        "type": ["array", "null"],
        "items": {"type": "integer"},
        "title": "Facilities",
        "description": (
            "Ids of the facilities to read; an empty list is refused. By default, all that the "
            "token can see."
        ),
    },
    "page_size": {
        "type": "integer",
        "title": "Page size",
        "description": f"Rows to request per page; fewer than {MIN_LIMIT} count as {MIN_LIMIT}.",
        "default": MAX_PAGE_SIZE,
        "minimum": 1,
        "maximum": MAX_PAGE_SIZE,
    },
    "lookback_seconds": {
        "type": "number",
        "title": "Lookback",
        "description": "Seconds by which each run goes back before the last bookmark.",
        "default": 300,
        "minimum": 0,
    },
    "only_unsynced": {
        "type": "boolean",
        "title": "Only unsynced",
        "description": "Read only reservations whose sync has not been confirmed.",
        "default": False,
    },
    "reservations_from": _date("Reservations from", "First day of reservations to read."),
    "reservations_to": _date("Reservations to", "Last day of reservations to read."),
    "blocked_times_from": _date("Blocked times from", "First day of blocked times to read."),
    "blocked_times_to": _date("Blocked times to", "Last day of blocked times to read."),
    "detect_deletions": {
        "type": ["boolean", "string"],
        "enum": [True, False, ALL],
        "title": "Detect deletions",
        "description": (
            "In each run, read all blocked times (true), or all reservations as well (all), and "
            "emit ACTIVATE_VERSION after them, so that loaders which support it drop rows that "
            "Bookio no longer lists."
        ),
        "default": False,
    },
    "scan_log": {
        "type": "boolean",
        "title": "Scan log",
        "description": (
            "Add the stream scans, with a row for each list that was read: the time, the "
            "lastSync, the number of rows, and whether the scan can have missed any."
        ),
        "default": False,
    },
    "personal_data": {
        "type": "string",
        "title": "Personal data",
        "description": (
            "How to emit names, e-mail addresses, phone numbers and free text: keep emits them "
            "unchanged, pseudonymise replaces them with a keyed HMAC-SHA-256 (the same for the "
            "same person), omit leaves the fields out. Unknown fields are emitted only with keep."
        ),
        "default": PersonalData.KEEP.value,
        "enum": [mode.value for mode in PersonalData],
    },
    "personal_data_key": {
        "type": ["string", "null"],
        "title": "Key for pseudonyms",
        "description": (
            "Secret of at least 32 random characters. A different key gives different pseudonyms. "
            "Anyone who holds it can look up a known person, so keep it out of the warehouse."
        ),
        "secret": True,
        "writeOnly": True,
    },
    **TIMEZONE_SETTING,
}
"""Properties of the settings' JSON Schema, by name."""


def problems_of(config: Mapping[str, Any]) -> list[str]:
    """Return problems with the settings that JSON Schema cannot express."""
    problems = []
    for name in ("start_date", *(f"{s}_{end}" for s in RANGED for end in ("from", "to"))):
        text = config.get(name)
        parse = parse_datetime if name == "start_date" else date.fromisoformat
        try:
            parse(text) if text else None
        except ValueError:
            shape = "2024-01-31 or 2024-01-31T08:00:00Z" if name == "start_date" else "2024-01-31"
            problems.append(f"{name} is {text!r}, which is not a valid date; write it as {shape}")
        else:
            if name == "start_date" and text and _is_future(text):
                problems.append(f"start_date {text} is in the future, so no row can be read")
    problems += [problem for stream in RANGED if (problem := _range_problem(config, stream))]
    problems += _conflicts(config)
    problems += batch_problems(config.get("batch_config"))
    problems += filter(None, (key_problem(config), facilities_problem(config)))
    for check in (lambda: zone(config["default_timezone"]), lambda: _checked_client(config)):
        try:
            check()
        except BookioError as error:
            problems.append(str(error))
    return problems


def finds_deletions(config: Mapping[str, Any], stream: str) -> bool:
    """Whether ``detect_deletions`` asks for this stream to be read in full."""
    return stream in DELETIONS[config.get("detect_deletions") or False]


def _range_problem(config: Mapping[str, Any], stream: str) -> str | None:
    first, last = (config.get(f"{stream}_{end}") for end in ("from", "to"))
    try:
        is_empty = first and last and date.fromisoformat(first) > date.fromisoformat(last)
    except ValueError:
        return None  # reported separately
    if not is_empty:
        return None
    return f"{stream}_from {first} is after {stream}_to {last}, so no row could be read; swap them"


def _conflicts(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield settings that conflict with each other."""
    for stream in RANGED:
        if finds_deletions(config, stream):
            filters = [f"{stream}_from", f"{stream}_to"]
            filters += ["only_unsynced"] if RESOURCES[stream].is_filtered_by("onlyUnsynced") else []
            for name in filters:
                if config.get(name):
                    yield f"detect_deletions needs all {stream}: remove {name}"
            if config.get("batch_config"):
                yield "detect_deletions cannot go with batch_config: a BATCH has no version"
    if config.get("emit_activate_version_messages"):
        yield (
            "emit_activate_version_messages would have a loader drop rows before they are read "
            "again; remove it, and set detect_deletions to drop what Bookio no longer lists"
        )
    maps = config.get("stream_maps") or {}
    if config.get("batch_config") and any("__source__" in (each or ()) for each in maps.values()):
        yield (
            "batch_config cannot go with a stream map that has __source__: the files of a BATCH "
            "belong to one stream"
        )


def _is_future(text: str) -> bool:
    """Whether a time is more than a day ahead, which no time zone explains."""
    limit = datetime.now(UTC) + timedelta(days=1)
    return to_epoch_ms(text, zone("UTC")) > limit.timestamp() * 1000


def _checked_client(config: Mapping[str, Any]) -> None:
    client_from(config).close()
