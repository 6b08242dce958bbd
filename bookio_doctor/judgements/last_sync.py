"""Judges what lastSync means, as far as the times in rows show it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bookio_api.contract import CANCELLED, Evidence
from bookio_doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_doctor.observations import Survey

C, S, G, U = Evidence
HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict


def judge_last_sync(survey: Survey) -> Iterator[Finding]:
    """Judge what ``lastSync`` means, as far as the times in rows show it."""
    syncs = _ids(survey)
    everything = syncs.get("all")
    if not everything or "future" not in syncs or "seconds" not in syncs:
        yield Finding("lastSync", "it filters by time", U, NOT_SHOWN, "too few rows")
        return
    if syncs["future"]:
        meaning = "every run reads everything, which is slow but loses nothing"
        seen = "a time in the future returned rows"
        yield Finding("lastSync", "it filters by time", U, DIFFERS, seen, meaning)
        return
    yield Finding("lastSync", "it filters by time", U, HOLDS, "no rows for a time in the future")
    in_seconds = not syncs["seconds"]
    yield Finding(
        "lastSync: unit",
        "it is in milliseconds",
        C,
        BLOCKS if in_seconds else HOLDS,
        "a time in seconds filters, too" if in_seconds else "a time in seconds does not filter",
        "incremental runs would miss rows: please tell the maintainers" if in_seconds else "",
    )
    yield _judge_bound(survey)
    yield from _judge_changes(survey)


def _judge_bound(survey: Survey) -> Finding:
    """Compare the responses for a second before, at, and a second after a row's own time."""
    topic, assumption = "lastSync: bound", "it compares the time of a row's last change"
    row, syncs = survey.last_sync.timed_row, _ids(survey)
    if row is None or not {"before", "at", "after"} <= syncs.keys():
        seen = "no recently changed row shows when it changed"
        return Finding(topic, assumption, U, NOT_SHOWN, seen)
    came = {name: row.id in syncs[name] for name in ("before", "at", "after")}
    if came["before"] and not came["after"]:
        # A row may have changed within the second that it shows; then >= cannot be told from >.
        bound = ">=, or > with fractions of a second" if came["at"] else ">"
        return Finding(topic, assumption, U, HOLDS, f"it compares {row.field} by {bound}")
    seen = f"rows came or were missing regardless of {row.field}"
    return Finding(topic, assumption, U, NOT_SHOWN, seen)


def _judge_changes(survey: Survey) -> Iterator[Finding]:
    recent = survey.last_sync.answers.get("recent")
    rows = (recent and recent.rows) or []
    since = datetime.fromtimestamp(survey.last_sync.recent_since_ms / 1000, UTC) - timedelta(days=1)
    older = any(str(row.get("created") or "~")[:10] < since.date().isoformat() for row in rows)
    yield Finding(
        "lastSync: changed",
        "it returns changed rows",
        U,
        HOLDS if older else NOT_SHOWN,
        "it returned an older row" if older else "no older row among the latest",
    )
    cancelled = any(row.get("status") == CANCELLED for row in rows)
    yield Finding(
        "lastSync: cancelled",
        "it returns cancelled rows",
        U,
        HOLDS if cancelled else NOT_SHOWN,
        "it returned a cancelled row" if cancelled else "no cancelled row among the latest",
    )


def _ids(survey: Survey) -> dict[str, set[int]]:
    """Return the ids of the rows by question, for those that were answered with a list."""
    answers = survey.last_sync.answers.items()
    return {
        name: {row["id"] for row in answer.rows}
        for name, answer in answers
        if answer.rows is not None
    }
