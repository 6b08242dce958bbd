"""Judges how the list of reservations is narrowed by day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bookio_api.contract import RESERVATIONS, RESOURCES, TERM, Evidence
from bookio_doctor.facility_time import day_of, zone_of
from bookio_doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_doctor.answers import Answer
    from bookio_doctor.observations import Survey

C, S, G, U = Evidence
HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict

_Seen = tuple[Verdict, str, str]
"""Verdict, observation and meaning."""

_FIRST, _LAST = (f"{RESERVATIONS}_{end}" for end in ("from", "to"))
"""The settings that set the filters."""


_LEFT_OUT = {
    (True, False): ("the first day is left out", f"set {_FIRST} one day earlier"),
    (False, True): ("the last day is left out", f"set {_LAST} one day later"),
    (True, True): (
        "a range of one day is empty",
        f"set {_LAST} at least one day later than {_FIRST}",
    ),
    (False, False): (
        "a day came neither as the first nor as the last one",
        f"try {_FIRST} and {_LAST} with a day that you know before you set them",
    ),
}
"""What is left out if a day alone brings no rows.

By whether its rows come for a range that ends with it, and for one that begins with it.
"""


def judge_ranges(survey: Survey) -> Iterator[Finding]:
    """Judge whether the days in ``from`` and ``to`` are included."""
    ranges = survey.ranges
    asked = (ranges.on_day, ranges.until_day, ranges.since_day, ranges.next_day)
    answers = [answer for answer in asked if answer is not None]
    without_rows = next((answer for answer in answers if answer.rows is None), None)
    if len(answers) < len(asked):
        nothing = "no row has a readable date" if survey.reservations.rows else "too few rows"
        seen: _Seen = (NOT_SHOWN, nothing, "")
    elif without_rows is None:
        seen = _seen(survey, answers)
    elif without_rows.is_unanswered:
        seen = (NOT_SHOWN, without_rows.said, "")
    else:
        seen = (DIFFERS, f"refused: {without_rows.said}", f"do not set {_FIRST} and {_LAST}")
    filters = ", ".join(RESOURCES[RESERVATIONS].date_filters or ())
    yield Finding(filters, "the days in both are included", U, *seen)


def _seen(survey: Survey, answers: list[Answer]) -> _Seen:
    """Return what follows from where the rows of one day came.

    1. Also for the next day: the filters do not filter, and nothing else can be concluded.
    2. For the day itself: both ends are included, unless rows of other days came, too.
    3. For one of the ranges that begin or end with it: the other end is left out.
    """
    on_day, until_day, since_day, next_day = (_came(answer, survey) for answer in answers)
    if next_day:
        meaning = f"{_FIRST} and {_LAST} would not leave out other days, so set neither"
        return DIFFERS, "the rows of a day came for the next day, too", meaning
    if on_day and _has_other_days(answers[0], survey):
        meaning = f"with {_FIRST} and {_LAST}, more rows come than you ask for"
        return DIFFERS, "rows of other days came, too", meaning
    if on_day:
        return HOLDS, "both days are included", ""
    if on_day is None or until_day is None or since_day is None:
        return NOT_SHOWN, "more rows came than a page holds", ""
    return DIFFERS, *_LEFT_OUT[until_day, since_day]


def _came(answer: Answer, survey: Survey) -> bool | None:
    """Return whether the day's rows came; ``None`` if they may be on a later page."""
    rows, tz = answer.rows or [], zone_of(survey.facility)
    if any(str(day_of(row.get(TERM[0]), tz)) == survey.ranges.day for row in rows):
        return True
    return None if len(rows) >= survey.page_size else False


def _has_other_days(answer: Answer, survey: Survey) -> bool:
    tz = zone_of(survey.facility)
    return any(str(day_of(row.get(TERM[0]), tz)) != survey.ranges.day for row in answer.rows or [])
