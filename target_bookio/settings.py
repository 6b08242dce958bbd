"""The settings of target-bookio."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from bookio_singer.settings import CONNECTION_SETTINGS, TIMEZONE_SETTING


class OnReject(StrEnum):
    """What to do after a reject."""

    CONTINUE = "continue"
    STOP = "stop"


class OnConflict(StrEnum):
    """Whose value wins if somebody changed a field in Bookio that the record changes as well."""

    REMOTE_WINS = "remote_wins"
    SOURCE_WINS = "source_wins"


class OnOverlap(StrEnum):
    """What to do with a record that overlaps with bookings."""

    IGNORE = "ignore"
    WARN = "warn"
    REJECT = "reject"


SETTINGS: dict[str, dict[str, Any]] = {
    **CONNECTION_SETTINGS,
    "dry_run": {
        "type": "boolean",
        "title": "Dry run",
        "description": "Plan and show what would be written, but write nothing.",
        "default": False,
    },
    "journal_path": {
        "type": "string",
        "title": "Journal",
        "description": (
            "SQLite file that records every write, so that none is made twice. Keep it between "
            "runs. It contains no patient data. A relative path starts at the Meltano project "
            "or, without Meltano, at the working folder."
        ),
        "default": ".bookio/journal.sqlite3",
        "minLength": 1,
    },
    "rejects_path": {
        "type": "string",
        "title": "Rejects",
        "description": ("JSON Lines file to which rejected records and conflicts are appended."),
        "default": ".bookio/rejects.jsonl",
        "minLength": 1,
    },
    "results_path": {
        "type": ["string", "null"],
        "title": "Results",
        "description": (
            "JSON Lines file to which the outcome of every record is appended: run, time, stream, "
            "key, Bookio's id, operation, outcome, code and message, but no patient data. Not "
            "written by default."
        ),
        "minLength": 1,
    },
    "rejects_include_records": {
        "type": "boolean",
        "title": "Whole records in rejects",
        "description": (
            "Put whole records, including patient data, into the reject file, so that you can "
            "correct them and pass the file to --replay."
        ),
        "default": False,
    },
    "retention_days": {
        "type": ["integer", "null"],
        "title": "Retention",
        "description": (
            "After this many days, forget rows that no record has referred to and that Bookio's "
            "lists show, and empty the reject file if nothing was written to it. Kept "
            "indefinitely by default."
        ),
        "minimum": 1,
        "maximum": 36_500,
    },
    "on_reject": {
        "type": "string",
        "title": "On reject",
        "description": "Whether to continue after a rejected record, or stop at the first one.",
        "default": OnReject.CONTINUE.value,
        "enum": [choice.value for choice in OnReject],
    },
    "max_rejects": {
        "type": "integer",
        "title": "Maximum rejects",
        "description": (
            "Stop after this many rejects, because something else must be wrong. Records that an "
            "earlier run rejected for the same reason do not count."
        ),
        "default": 100,
        "minimum": 0,
    },
    "conflict": {
        "type": "string",
        "title": "Conflict",
        "description": (
            "Which value wins if someone changed a row in Bookio that this target wrote: Bookio's "
            "(remote_wins: the record is reported, not written) or the record's (source_wins)."
        ),
        "default": OnConflict.REMOTE_WINS.value,
        "enum": [choice.value for choice in OnConflict],
    },
    "on_overlap": {
        "type": "string",
        "title": "On overlap",
        "description": (
            "What to do with a blocked time over confirmed reservations, or with more "
            "reservations in a term than the service has capacity for: write it (ignore), write "
            "and report it (warn), or do not write it (reject)."
        ),
        "default": OnOverlap.WARN.value,
        "enum": [choice.value for choice in OnOverlap],
    },
    "resend_after_seconds": {
        "type": "number",
        "title": "Resend after",
        "description": (
            "Seconds after which a write without a response may be sent again, counted from the "
            "end of the attempt. It must exceed the time that a write can take to arrive plus the "
            "time until lists show it: a write that shows up later can be made twice."
        ),
        "default": 120,
        "minimum": 0,
        "maximum": 86_400,
    },
    "mirror_max_age_days": {
        "type": "number",
        "title": "Maximum age of the mirror",
        "description": (
            "Days after which the local copy of Bookio's lists is renewed by reading them in "
            "full. In between, only changes are read."
        ),
        "default": 7,
        "minimum": 0,
    },
    "previous_auth_token": {
        "type": ["string", "null"],
        "title": "Previous token",
        "description": (
            "Secret. The old token, for the first run after Bookio renewed auth_token: it "
            "transfers the journal to the new token. Remove it afterwards."
        ),
        "secret": True,
        "writeOnly": True,
    },
    "facility_ids": {
        "type": ["array", "null"],
        "items": {"type": "integer"},
        "title": "Facilities",
        "description": (
            "Ids of the facilities to write to; an empty list is refused. By default, all that "
            "the token can see."
        ),
    },
    **TIMEZONE_SETTING,
}
"""Properties of the settings' JSON Schema, by name."""
