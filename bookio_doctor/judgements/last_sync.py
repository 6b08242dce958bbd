"""Judges what lastSync means, as far as rows' own times show it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bookio_api.contract import Evidence
from bookio_doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_doctor.survey import Survey

C, S, G, U = Evidence
HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict


def judge_last_sync(survey: Survey) -> Iterator[Finding]:
    """Judge what ``lastSync`` means, as far as rows' own times show it."""
    syncs = {name: {str(row.get("id")) for row in rows} for name, rows in survey.syncs.items()}
    everything = syncs.get("all")
    if not everything or "future" not in syncs or "seconds" not in syncs:
        yield Finding("lastSync", "it filters by time", U, NOT_SHOWN, "too few rows")
        return
    if syncs["future"]:
        meaning = "every run reads everything, which is slow but loses nothing"
        seen = "rows came for a time that is still to come"
        yield Finding("lastSync", "it filters by time", U, DIFFERS, seen, meaning)
        return
    yield Finding("lastSync", "it filters by time", U, HOLDS, "no row for a time to come")
    in_seconds = not syncs["seconds"]
    yield Finding(
        "lastSync: unit",
        "it is in milliseconds",
        C,
        BLOCKS if in_seconds else HOLDS,
        "a number of seconds filters, too" if in_seconds else "a number of seconds does not filter",
        "incremental runs would miss rows: please tell the maintainers" if in_seconds else "",
    )
    yield _judge_bound(survey)
    yield from _judge_changes(survey)


def _judge_bound(survey: Survey) -> Finding:
    """Compare the questions a second before, at and a second after a row's own time."""
    topic, assumption = "lastSync: bound", "it compares the time of a row's last change"
    row = survey.timed_row
    if row is None or not {"before", "at", "after"} <= survey.syncs.keys():
        seen = "no row that changed lately says when"
        return Finding(topic, assumption, U, NOT_SHOWN, seen)
    came = {
        name: any(str(r.get("id")) == row.id for r in survey.syncs[name])
        for name in ("before", "at", "after")
    }
    if came["before"] and not came["after"]:
        # A row may have changed in a fraction of the second that it shows: >= cannot be told then.
        bound = ">=, or > with fractions of a second" if came["at"] else ">"
        return Finding(topic, assumption, U, HOLDS, f"it follows {row.field} with {bound}")
    seen = f"a row came or stayed away whatever its {row.field} says"
    return Finding(topic, assumption, U, NOT_SHOWN, seen)


def _judge_changes(survey: Survey) -> Iterator[Finding]:
    rows = survey.syncs.get("recent", [])
    since = datetime.fromtimestamp(survey.recent_since_ms / 1000, UTC) - timedelta(days=1)
    older = any(str(row.get("created") or "~")[:10] < since.date().isoformat() for row in rows)
    yield Finding(
        "lastSync: changed",
        "it brings rows that were changed",
        U,
        HOLDS if older else NOT_SHOWN,
        "an older row came" if older else "no older row among the latest",
    )
    cancelled = any(row.get("status") == "CANCELLED" for row in rows)
    yield Finding(
        "lastSync: cancelled",
        "it brings rows that were cancelled",
        U,
        HOLDS if cancelled else NOT_SHOWN,
        "a cancelled row came" if cancelled else "no cancelled row among the latest",
    )
