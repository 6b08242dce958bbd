"""Judges what lastSync means, as far as the times in rows show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bookio_api.contract import CANCELLED, TERM, Evidence
from bookio_doctor.facility_time import epoch_ms_of, zone_of
from bookio_doctor.finding import Finding, Verdict
from bookio_doctor.survey import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from bookio_doctor.answers import Answer, Row
    from bookio_doctor.observations import LastSync, Survey

C, S, G, U = Evidence
HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict

_Seen = tuple[Verdict, str, str]
"""Verdict, observation and meaning."""

_MAX_ZONE_MS = 15 * 3_600_000
"""Two zones are never further apart, should times not be in the facility's zone."""
_READ_ALL = "set replication-method to FULL_TABLE in the catalog, and tell the maintainers"
_TRY = "cancel a test booking in Bookio, and run the doctor again"


def judge_last_sync(survey: Survey) -> Iterator[Finding]:
    """Judge what ``lastSync`` means, as far as the times in rows show it."""
    verdict, seen, meaning = _filter_seen(survey)
    yield Finding("lastSync", "it filters by time", U, verdict, seen, meaning)
    if verdict is not HOLDS:
        return
    yield Finding("lastSync: unit", "it is in milliseconds", C, *_unit_seen(survey.last_sync))
    bound = _bound_seen(survey.last_sync)
    assumption = "it compares the time of a row's last change"
    yield Finding("lastSync: bound", assumption, U, *bound)
    rows = _changed_rows(survey, is_bound_shown=bound[0] is HOLDS)
    yield Finding(
        "lastSync: changed",
        "it returns changed rows",
        U,
        HOLDS if rows else NOT_SHOWN,
        "a row came that was changed" if rows else "no row came that must have been changed",
        "" if rows else _TRY,
    )
    yield Finding(
        "lastSync: cancelled", "it returns cancelled rows", U, *_cancelled_seen(survey, rows)
    )


def _filter_seen(survey: Survey) -> _Seen:
    """Return whether it filters by time.

    1. A time as the tap sends it is refused: no incremental run can work.
    2. A time in the future brings everything: the filter is ignored.
    3. It brings some rows: what is compared need not be the time of a change, which is past.
    4. It brings nothing, and a time long ago brings rows: it filters by some time.
    """
    answers = survey.last_sync.answers
    future, everything = answers.get("future"), _everything(survey.last_sync)
    for name in ("recent", "old"):
        if name in answers and answers[name].is_refused:
            meaning = f"incremental runs cannot work: {_READ_ALL}"
            return BLOCKS, f"refused: {answers[name].said}", meaning
    if future is None or future.rows is None or everything is None or everything.rows is None:
        unanswered = [answer.said for answer in (future, everything) if answer and answer.said]
        return NOT_SHOWN, unanswered[0] if unanswered else "not asked", ""
    return _future_seen(survey, future, everything)


def _future_seen(survey: Survey, future: Answer, everything: Answer) -> _Seen:
    """Compare what came for a time in the future with what came for one long ago."""
    if future.rows:
        # Two full pages may be the same where the lists are not, unless the totals are, too.
        is_whole = len(future.rows) < survey.page_size
        has_same_total = future.total is not None and future.total == everything.total
        if _ids(future) == _ids(everything) and (is_whole or has_same_total):
            meaning = "every run reads everything, which is slow but loses nothing"
            return DIFFERS, "a time in the future returned all rows", meaning
        meaning = f"if it compares another time, incremental runs miss changes: {_READ_ALL}"
        return DIFFERS, "a time in the future returned rows, but perhaps not all", meaning
    if everything.rows:
        return HOLDS, "no rows for a time in the future", ""
    if not survey.reservations.rows:
        return NOT_SHOWN, "too few rows", ""
    meaning = f"incremental runs may bring nothing: {_READ_ALL}"
    return NOT_SHOWN, "no rows for any time, though the list has some", meaning


def _unit_seen(last_sync: LastSync) -> _Seen:
    """Return whether it is in milliseconds.

    In milliseconds, the time of ``old`` is in 2001, and that of ``seconds`` in 1970. In seconds,
    that of ``old`` is far in the future.
    """
    old, seconds = last_sync.answers.get("old"), last_sync.answers.get("seconds")
    if old is None or old.rows is None or seconds is None:
        return NOT_SHOWN, old.said if old else "not asked", ""
    is_filtered = seconds.rows == []
    if old.rows:
        if is_filtered:
            return HOLDS, "a time in seconds filters, too", ""
        return HOLDS, "a time in seconds does not filter", ""
    if is_filtered:
        meaning = f"incremental runs would miss rows: {_READ_ALL}"
        return BLOCKS, "only a time in seconds filters", meaning
    return NOT_SHOWN, "no rows for a time in 2001", f"incremental runs may miss rows: {_READ_ALL}"


def _bound_seen(last_sync: LastSync) -> _Seen:
    """Compare the answers for a second before, at, and a second after a row's own time."""
    row, answers = last_sync.timed_row, last_sync.answers
    around = [answers[name] for name in ("before", "at", "after") if name in answers]
    rows = [answer.rows for answer in around if answer.rows is not None]
    if row is None:
        return NOT_SHOWN, "no recently changed row shows when it changed", _TRY
    if len(rows) < 3:  # noqa: PLR2004
        return NOT_SHOWN, f"no lists came around the time in {row.field}", "run the doctor again"
    before, at, after = (row.id in {other["id"] for other in page} for page in rows)
    if not before or after:
        return NOT_SHOWN, f"rows came or were missing regardless of {row.field}", ""
    # A row may have changed within the second that it shows; then >= cannot be told from >.
    bound = ">=, or > with fractions of a second" if at else ">"
    seen = f"it compares {row.field} by {bound}"
    if row.is_change:
        return HOLDS, seen, ""
    return NOT_SHOWN, seen, f"but no row that came was changed since it was created: {_TRY}"


def _changed_rows(survey: Survey, *, is_bound_shown: bool) -> list[Row]:
    """Return the recent rows that can only have come because they were changed.

    1. The row around whose change the doctor asked, if it came and went with that time.
    2. Rows whose other times are no reason, unless as many rows came as without a time: then it
       need not have filtered.
    """
    last_sync, tz = survey.last_sync, zone_of(survey.facility)
    recent, everything = last_sync.answers.get("recent"), _everything(last_sync)
    rows = (recent and recent.rows) or []
    is_filtered = everything is not None and len(rows) < len(everything.rows or [])
    timed_id = last_sync.timed_row.id if last_sync.timed_row and is_bound_shown else None
    return [
        row
        for row in rows
        if row["id"] == timed_id or (is_filtered and _must_have_changed(row, last_sync, tz))
    ]


def _must_have_changed(row: Row, last_sync: LastSync, tz: ZoneInfo) -> bool:
    """Whether none of a row's other times is a reason why it came.

    Its creation was before the time that was asked for, by more than zones can differ, and so was
    its term, or after the time that brought no row.
    """
    created = epoch_ms_of(row.get("created"), tz)
    first, last = last_sync.recent_since_ms - DAY_MS, last_sync.future_ms + DAY_MS
    term = [epoch_ms_of(row[name], tz) for name in TERM if row.get(name) is not None]
    is_old = created is not None and created < first
    return is_old and all(time is not None and not first <= time <= last for time in term)


def _cancelled_seen(survey: Survey, changed: list[Row]) -> _Seen:
    """Return whether cancelled rows come, given the rows that came because they were changed.

    Until when a row can be cancelled is a possible meaning of ``cancelTime`` (U), but not where it
    is cancelled and that time is over.
    """
    if any(row.get("status") == CANCELLED for row in changed):
        return HOLDS, "a row came that was cancelled", ""
    recent = survey.last_sync.answers.get("recent")
    if recent is None or recent.rows is None or len(recent.rows) >= survey.page_size:
        return NOT_SHOWN, "no complete list of recent changes came", ""
    tz, came = zone_of(survey.facility), set(_ids(recent))
    first = survey.last_sync.recent_since_ms + _MAX_ZONE_MS
    last = survey.last_sync.future_ms - DAY_MS
    cancelled = [row for row in survey.reservations.rows if row.get("status") == CANCELLED]
    times = {row["id"]: epoch_ms_of(row.get("cancelTime"), tz) for row in cancelled}
    if any(time and first < time <= last and i not in came for i, time in times.items()):
        meaning = f"incremental runs may miss cancellations: {_READ_ALL}"
        return DIFFERS, "a cancelled row with a later cancelTime did not come", meaning
    return NOT_SHOWN, "no row came that must have been cancelled", _TRY


def _everything(last_sync: LastSync) -> Answer | None:
    """Return the answer for a time so long ago that all rows should come."""
    answers = last_sync.answers
    first = answers.get("all")
    return first if first is not None and first.rows is not None else answers.get("old")


def _ids(answer: Answer) -> list[int]:
    return [row["id"] for row in answer.rows or []]
