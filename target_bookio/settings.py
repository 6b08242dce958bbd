"""The settings of target-bookio."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from bookio_singer.settings import CONNECTION_SETTINGS, TIMEZONE_SETTING

CONTINUE, STOP = "continue", "stop"
REMOTE_WINS, SOURCE_WINS = "remote_wins", "source_wins"


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
        "description": "Read, plan and show what would be written, but write nothing.",
        "default": False,
    },
    "journal_path": {
        "type": "string",
        "title": "Journal",
        "description": (
            "SQLite file that remembers every write, so that none is made twice. Keep it between "
            "runs; it holds no patient's data. A relative path starts at the Meltano project, or "
            "at the working folder without Meltano."
        ),
        "default": ".bookio/journal.sqlite3",
        "minLength": 1,
    },
    "rejects_path": {
        "type": "string",
        "title": "Rejects",
        "description": (
            "JSON Lines file to which records that cannot be written, and conflicts, are appended."
        ),
        "default": ".bookio/rejects.jsonl",
        "minLength": 1,
    },
    "results_path": {
        "type": ["string", "null"],
        "title": "Results",
        "description": (
            "JSON Lines file to which the outcome of every record is appended: run, time, stream, "
            "key, Bookio's id, operation, outcome, code and message; no patient's data. "
            "None is written unless set."
        ),
        "minLength": 1,
    },
    "rejects_include_records": {
        "type": "boolean",
        "title": "Whole records in rejects",
        "description": (
            "Put the whole record, patient and all, into the reject file, so that it can be "
            "repaired and given to --replay."
        ),
        "default": False,
    },
    "retention_days": {
        "type": ["integer", "null"],
        "title": "Retention",
        "description": (
            "Forget rows that no record referred to for this many days and that Bookio's lists "
            "show, and empty a reject file that was not written to for as long. Kept "
            "indefinitely unless set."
        ),
        "minimum": 1,
    },
    "on_reject": {
        "type": "string",
        "title": "On reject",
        "description": "Go on after a record that is rejected, or stop at the first one.",
        "default": CONTINUE,
        "enum": [CONTINUE, STOP],
    },
    "max_rejects": {
        "type": "integer",
        "title": "Most rejects",
        "description": (
            "Stop after this many rejects: something else is wrong then. Records that an earlier "
            "run rejected for the same reason do not count."
        ),
        "default": 100,
        "minimum": 0,
    },
    "conflict": {
        "type": "string",
        "title": "Conflict",
        "description": (
            "Who wins where someone changed in Bookio what this target wrote: Bookio "
            "(remote_wins, the record is reported and not written) or the record (source_wins)."
        ),
        "default": REMOTE_WINS,
        "enum": [REMOTE_WINS, SOURCE_WINS],
    },
    "on_overlap": {
        "type": "string",
        "title": "On overlap",
        "description": (
            "What to do with a blocked time over confirmed reservations, and with more "
            "reservations in one term than the service has capacity for: write it (ignore), write "
            "and report it (warn), or do not write it (reject)."
        ),
        "default": OnOverlap.WARN.value,
        "enum": [choice.value for choice in OnOverlap],
    },
    "resend_after_seconds": {
        "type": "number",
        "title": "Resend after",
        "description": (
            "Seconds after which a write that got no answer may be sent again, counted from the "
            "end of the attempt by Bookio's clock. It must be longer than the time a write can "
            "take to arrive and the time the lists can take to show it, together: a write that "
            "shows up later than this can be done twice."
        ),
        "default": 120,
        "minimum": 0,
        "maximum": 86_400,
    },
    "mirror_max_age_days": {
        "type": "number",
        "title": "Age of the mirror",
        "description": (
            "Days after which the local copy of Bookio's lists is renewed by reading them in "
            "full. Between renewals only what changed is read."
        ),
        "default": 7,
        "minimum": 0,
    },
    "previous_auth_token": {
        "type": ["string", "null"],
        "title": "Previous token",
        "description": (
            "Secret. The token before auth_token, for the first run after Bookio renewed it: the "
            "journal is handed over to the new token. Remove it afterwards."
        ),
        "secret": True,
        "writeOnly": True,
    },
    "facility_ids": {
        "type": ["array", "null"],
        "items": {"type": "integer"},
        "title": "Facilities",
        "description": "Numbers of the facilities to write to; all that the token sees.",
    },
    **TIMEZONE_SETTING,
}
"""Properties of the settings' JSON Schema, by name."""
