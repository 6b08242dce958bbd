"""The settings of target-bookio."""

from __future__ import annotations

from typing import Any

from bookio_singer.settings import CONNECTION_SETTINGS, TIMEZONE_SETTING

CONTINUE, STOP = "continue", "stop"
REMOTE_WINS, SOURCE_WINS = "remote_wins", "source_wins"

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
            "runs; it holds no patient's data."
        ),
        "default": ".bookio/journal.sqlite3",
        "minLength": 1,
    },
    "rejects_path": {
        "type": "string",
        "title": "Rejects",
        "description": "JSON lines file to which records are appended that cannot be written.",
        "default": ".bookio/rejects.jsonl",
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
            "Forget what the journal settled longer ago than this, and empty a reject file that "
            "was not written to for as long; kept for ever unless set."
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
        "description": "Stop after this many rejects: something else is wrong then.",
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
    "facility_ids": {
        "type": ["array", "null"],
        "items": {"type": "integer"},
        "title": "Facilities",
        "description": "Numbers of the facilities to write to; all that the token sees.",
    },
    **TIMEZONE_SETTING,
}
"""Properties of the settings' JSON Schema, by name."""
