"""Facility-local wall time <-> RFC 3339 with offset.

Bookio sends and takes wall time without zone or offset, ``2018-06-29T12:00:00`` (C), which is
meant in the facility's ``timeZone`` (G, strong). Nights on which the clock changes:

- a wall time that occurs twice gets the first, the summer offset;
- a wall time that does not exist gets the offset before the change.

Both come back as the wall time that they were. So do wall times from before the zones had whole
minutes: RFC 3339 has no seconds in an offset, so ``+00:57:44`` is rounded to ``+00:58``, and
`to_wall` knows it by that.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cache, lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from bookio_api.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_TIMEZONE = "Europe/Bratislava"

_DATETIME = re.compile(
    r"""
    (?P<year>\d{4}) (?P<dash>-?) (?P<month>\d\d) (?P=dash) (?P<day>\d\d)
    (?: (?:T|[ ]+) (?P<hour>\d\d) (?P<colon>:?) (?P<minute>\d\d)
        (?: (?P=colon) (?P<second>\d\d) (?:[.,] (?P<fraction>\d{1,9}) \d{0,9})? )?
        [ ]* (?P<offset>Z|UTC|GMT|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?
    )?
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
"""ISO 8601 in all its forms, and the variants of SQL databases, Java, .NET and PHP."""
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)?:?(\d\d)?")
_MAX_OFFSET = timedelta(hours=15, minutes=59)
"""No zone was ever further from Greenwich, and PostgreSQL accepts no greater offset."""
_LAST_MINUTE, _LAST_SECOND = 59, 59

_PLAIN = r".{10}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
"""A valid time of day, after something like a date."""
_PLAIN_LENGTH = len("2018-06-29T12:00:00")
_is_plain = re.compile(_PLAIN, re.ASCII).fullmatch
_are_plain = re.compile(rf"{_PLAIN}(?:\n{_PLAIN})*", re.ASCII).fullmatch
_day_of = itemgetter(slice(len("2018-06-29")))


@cache
def zone(name: str) -> ZoneInfo:
    """Return the time zone of an IANA name, or raise ``SettingsError``.

    Blanks around the name, another case and the names that Windows uses are understood:
    ``europe/london`` and ``GMT Standard Time`` are ``Europe/London``.
    """
    try:
        key = name.strip()
        return _iana_zone(key) or ZoneInfo(_other_spellings()[_spelling(key)])
    except (KeyError, AttributeError) as error:
        msg = f"{name!r} is not an IANA time zone; write one such as {DEFAULT_TIMEZONE}"
        raise SettingsError(msg) from error


def _iana_zone(key: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(key)
    except (KeyError, ValueError, OSError):
        return None


@cache
def _other_spellings() -> dict[str, str]:
    """Return the IANA names by their other spellings."""
    from pendulum.tz.data.windows import windows_timezones  # noqa: PLC0415 - rare, and 15 ms

    windows = {_spelling(other): key for other, key in windows_timezones.items()}
    return {**windows, **{_spelling(key): key for key in available_timezones()}}


def _spelling(key: str) -> str:
    return " ".join(key.casefold().replace("_", " ").split())


class Moment(NamedTuple):
    """A datetime text, read and normalised."""

    wall: datetime
    """Date and time as written, to the whole second, without a zone."""
    fraction: str
    """What follows the second: nothing, or a point and up to nine digits."""
    offset: str | None
    """``Z``, ``+HH:MM``, or ``None`` where the text has no offset."""

    def __str__(self) -> str:
        """Return it in RFC 3339 form, or without an offset if it had none."""
        return f"{self.wall.isoformat()}{self.fraction}{self.offset or ''}"


@lru_cache(maxsize=1_000)
def parse_moment(text: str) -> Moment:
    """Read a date or datetime in any form that databases and programs write.

    Understood are a blank or a small ``t`` for ``T``, no time (midnight), no seconds, a decimal
    comma, ``24:00`` (the next day's midnight), a leap second (the next minute), and the offsets
    ``Z``, ``z``, ``UTC``, ``GMT``, ``+02``, ``+0200``, ``+02:00`` and ``+02:00:00``, also behind a
    blank. Raises ``ValueError`` for anything else, and for dates, times and offsets that cannot be.
    """
    match = _DATETIME.fullmatch(text.strip())
    if match is None:
        msg = "not a date or datetime"
        raise ValueError(msg)
    year, month, day = int(match["year"]), int(match["month"]), int(match["day"])
    hour, minute = int(match["hour"] or 0), int(match["minute"] or 0)
    second, fraction = int(match["second"] or 0), match["fraction"] or ""
    later = timedelta()
    if hour == 24 and not (minute or second or fraction.strip("0")):  # noqa: PLR2004
        hour, later = 0, timedelta(days=1)
    elif minute == _LAST_MINUTE and second == _LAST_SECOND + 1:
        second, later = _LAST_SECOND, timedelta(seconds=1)
    try:
        wall = datetime(year, month, day, hour, minute, second) + later  # noqa: DTZ001
    except OverflowError as error:
        raise ValueError(*error.args) from error
    return Moment(wall, fraction and f".{fraction}", _normal_offset(match["offset"]))


def parse_datetime(text: str) -> datetime:
    """Return the datetime of a text that `parse_moment` reads; naive where it has no offset."""
    return datetime.fromisoformat(str(parse_moment(text)))


def _normal_offset(text: str | None) -> str | None:
    """Return an offset in RFC 3339 form, rounded to minutes."""
    if text is None:
        return None
    parts = _OFFSET.fullmatch(text)
    if parts is None:  # Z, UTC or GMT
        return "Z"
    hours, minutes, seconds = (int(part or 0) for part in parts.groups()[1:])
    offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if offset > _MAX_OFFSET or minutes > _LAST_MINUTE or seconds > _LAST_SECOND:
        msg = "not a possible offset"
        raise ValueError(msg)
    return _offset_text(-offset if parts[1] == "-" else offset)


class OffsetClock:
    """Writes the wall times of one zone as RFC 3339, with the offset of their moment.

    Used by one thread at a time: `rfc3339` caches the days that it has seen.
    """

    _MAX_DAYS = 100_000

    def __init__(self, tz: ZoneInfo) -> None:
        """Make a clock for the zone of a facility."""
        self.tz = tz
        self._days: dict[str, str | None] = {}
        """The offset of each day seen, ``YYYY-MM-DD``; none if the clock changes on it."""

    def rfc3339(self, text: str) -> str | None:
        """Return a datetime text as RFC 3339, or ``None`` if it is not a possible datetime.

        A text without offset is wall time of the zone, and a date is its midnight. An offset that
        came is kept.
        """
        # Nearly every text is YYYY-MM-DDTHH:MM:SS on a day that was seen before. Such a text is
        # complete once its day and time are known to exist, so nothing needs to be parsed.
        offset = self._days.get(_day_of(text))
        return text + offset if offset and _is_plain(text) else self._parsed(text)

    def rfc3339_all(self, texts: Sequence[str]) -> list[str | None]:
        """Return `rfc3339` of each text."""
        # As above, but with one match for all of them. A dot matches no line break, so every line
        # has the plain length; in all they are so long only if no text contains a line break.
        lines = "\n".join(texts)
        if len(lines) + 1 != len(texts) * (_PLAIN_LENGTH + 1) or not _are_plain(lines):
            return [self.rfc3339(text) for text in texts]
        offsets = map(self._days.get, map(_day_of, texts))
        return [
            text + offset if offset else self._parsed(text)
            for text, offset in zip(texts, offsets, strict=True)
        ]

    def _parsed(self, text: str) -> str | None:
        try:
            moment = parse_moment(text)
        except ValueError:
            return None
        if moment.offset is None:
            moment = moment._replace(offset=self._offset_of(moment.wall))
        return str(moment)

    def _offset_of(self, wall: datetime) -> str:
        """Return the offset of a wall time, and cache whether it is the same all day."""
        offset = _offset_at(wall, self.tz)
        day = wall.date().isoformat()
        if day not in self._days:
            if len(self._days) >= self._MAX_DAYS:
                self._days.clear()
            ends = (wall.replace(hour=0, minute=0), wall.replace(hour=23, minute=59))
            is_whole = all(_offset_at(end, self.tz) == offset for end in ends)
            self._days[day] = offset if is_whole else None
        return offset


@lru_cache(maxsize=1_000)
def to_wall(text: str, tz: ZoneInfo) -> str:
    """Return the facility's wall time ``YYYY-MM-DDTHH:MM:SS`` of a datetime text.

    A text without offset is wall time already. Raises ``ValueError`` if it is not a datetime.
    """
    moment = parse_moment(text)
    wall = moment.wall
    # The offset that `OffsetClock` puts there leaves the wall time as it is, also where that does
    # not exist. Any other offset, and Z, makes it an instant: in the night in which the clock
    # skips 02:30, the instant 02:30+02:00 is 01:30.
    if moment.offset is not None and moment.offset != _own_offset(wall, tz):
        try:
            wall = datetime.fromisoformat(f"{wall}{moment.offset}").astimezone(tz)
        except OverflowError as error:
            raise ValueError(*error.args) from error
    return wall.replace(tzinfo=None).isoformat(timespec="seconds")


def to_epoch_ms(text: str, tz: ZoneInfo) -> int:
    """Return epoch milliseconds of a date or datetime text; without offset it is local to ``tz``.

    What is before 1970 is 0. Raises ``ValueError`` if it is neither.
    """
    moment = parse_datetime(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=tz)
    return max(0, int(moment.timestamp() * 1000))


@lru_cache(maxsize=10_000)
def _own_offset(wall: datetime, tz: ZoneInfo) -> str:
    """Return the offset that `OffsetClock` gives a wall time."""
    return _offset_at(wall, tz)


def _offset_at(wall: datetime, tz: ZoneInfo) -> str:
    return _offset_text(wall.replace(tzinfo=tz).utcoffset() or timedelta())


@lru_cache(maxsize=256)
def _offset_text(offset: timedelta) -> str:
    minutes = round(offset / timedelta(minutes=1))
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
