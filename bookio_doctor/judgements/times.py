"""Judges the form of datetimes, and in which zone they are meant."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bookio_api.contract import BLOCKED_TIMES, RESERVATIONS, RESOURCES, TERM, Evidence
from bookio_api.localtime import Moment, OffsetClock, parse_moment
from bookio_api.schemas import stream_schema
from bookio_doctor.facility_time import zone_of
from bookio_doctor.finding import Finding, Verdict
from bookio_doctor.known_values import KnownValue, known_values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from bookio_doctor.observations import Survey

C, S, G, U = Evidence
HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict

_WALL = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}", re.ASCII)
_PARTS = re.compile(
    r"(?P<mark>(?<=\d)(?:T(?=\d)|Z$)) | (?P<word>[^\W\d_]+) | (?P<digit>\d) | (?P<odd>[^\ .,:/+-])",
    re.VERBOSE,
)
_MASKS = {"word": "x", "digit": "9", "odd": "?"}
_MAX_FORM, _MAX_FORMS = 32, 3
_OPENING_HOURS = range(5, 22)
_ENOUGH_TERMS = 10
_FITTING_SHARE = 0.95
_STARTS = {f"{stream}.{TERM[0]}" for stream in (RESERVATIONS, BLOCKED_TIMES)}
"""Fields without which a stream's rows are of no use."""


def judge_times(survey: Survey) -> Iterator[Finding]:
    """Judge whether the tap can read datetimes, and whether they are local to the facility."""
    clock = OffsetClock(zone_of(survey.facility))
    yield _judge_forms(survey, clock)
    topic, assumption = "opening hours", "datetimes are local to the facility"
    starts = [row.get(TERM[0]) for row in survey.reservations.rows]
    moments = [m for m in map(_moment, starts) if m is not None]
    yield Finding(topic, assumption, G, *_zone_seen(moments, clock))


def form_of(value: str) -> str:
    """Return the form of a datetime with nothing of its value, for instance 9999-99-99T99:99.

    Words of any length become an x, because a text that should be a datetime may be a name.
    """
    text = _PARTS.sub(lambda part: _MASKS.get(part.lastgroup or "", part[0]), value)
    return text if len(text) <= _MAX_FORM else f"{text[:_MAX_FORM]}…"


def _judge_forms(survey: Survey, clock: OffsetClock) -> Finding:
    """Try the tap's own parser on every value that should be a datetime."""
    topic, assumption = "datetimes", "they are wall time, 2018-06-29T12:00:00"
    values = [
        value._replace(path=f"{resource.name}.{value.path}")
        for resource in RESOURCES.values()
        for value in known_values(
            survey.rows(resource.list_operation), stream_schema(resource.name)
        )
        if value.is_datetime
    ]
    if not values:
        return Finding(topic, assumption, C, NOT_SHOWN, "no row has a datetime")
    forms = Counter(form_of(v.value) if v.kind == "string" else f"({v.kind})" for v in values)
    seen = f"form {', '.join(form for form, _ in forms.most_common(_MAX_FORMS))}"
    if len(forms) > _MAX_FORMS:
        seen = f"{seen} and {len(forms) - _MAX_FORMS} more"
    total = Counter(value.path for value in values)
    emptied = Counter(value.path for value in values if not _is_readable(value, clock))
    if emptied:
        seen = "; ".join(
            [seen, *(f"{path}: {n} of {total[path]} left empty" for path, n in emptied.items())]
        )
        is_useless = any(total[path] == emptied[path] for path in _STARTS & emptied.keys())
        meaning = "the tap cannot read these and leaves them empty: please tell the maintainers"
        return Finding(topic, assumption, C, BLOCKS if is_useless else DIFFERS, seen, meaning)
    if all(_WALL.fullmatch(value.value) for value in values):
        return Finding(topic, assumption, C, HOLDS, seen)
    return Finding(topic, assumption, C, DIFFERS, seen, "the tap can read these forms")


def _is_readable(value: KnownValue, clock: OffsetClock) -> bool:
    return value.kind == "string" and clock.rfc3339(value.value) is not None


def _moment(value: object) -> Moment | None:
    try:
        return parse_moment(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _zone_seen(moments: list[Moment], clock: OffsetClock) -> tuple[Verdict, str, str]:
    """Return verdict, observation and meaning.

    1. An offset says itself whether the time is local.
    2. Otherwise the time is local if terms fit opening hours, and would not if it were UTC.
    3. If they fit as UTC, too, nothing is shown: Europe is only an hour or two away from it.
    """
    if not moments:
        return NOT_SHOWN, "no row has a readable datetime", ""
    with_offset = [moment for moment in moments if moment.offset is not None]
    foreign = sum(not _is_local(moment, clock) for moment in with_offset)
    if foreign:
        seen = f"{foreign} of {len(moments)} have Z, or another offset than the facility's"
        return DIFFERS, seen, "the tap keeps the offset, so you need not set anything"
    if len(with_offset) == len(moments):
        return HOLDS, "all have the facility's own offset", ""
    walls = [moment.wall for moment in moments if moment.offset is None]
    check = "compare a booking that you know with Bookio's own calendar"
    if len(walls) < _ENOUGH_TERMS:
        return NOT_SHOWN, f"too few terms without an offset ({len(walls)})", check
    local, utc = _fitting(walls), _fitting([_if_utc(wall, clock.tz) for wall in walls])
    seen = (
        f"{local} of {len(walls)} terms begin between 5:00 and 22:00 if their times are local, "
        f"{utc} if they are UTC"
    )
    enough = _FITTING_SHARE * len(walls)
    if local < enough:
        return DIFFERS, seen, f"do not trust the times yet: {check}"
    return (HOLDS, seen, "") if utc < enough else (NOT_SHOWN, seen, check)


def _is_local(moment: Moment, clock: OffsetClock) -> bool:
    """Whether its offset is the one that the facility has at that time; Z always means UTC."""
    return clock.rfc3339(str(moment._replace(offset=None))) == str(moment)


def _if_utc(wall: datetime, tz: ZoneInfo) -> datetime:
    """Return the facility's time at a wall time of UTC."""
    try:
        return wall.replace(tzinfo=UTC).astimezone(tz)
    except OverflowError:  # in the first or last hours of the calendar
        return wall


def _fitting(walls: list[datetime]) -> int:
    return sum(wall.hour in _OPENING_HOURS for wall in walls)
