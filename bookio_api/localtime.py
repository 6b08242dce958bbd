"""Facility-local wall time <-> RFC 3339 with offset.

Bookio sends and takes wall time without zone or offset, ``2018-06-29T12:00:00`` (C), which is
meant in the facility's ``timeZone`` (G, strong). Nights on which the clock changes:

- a wall time that occurs twice gets the first, the summer offset;
- a wall time that does not exist gets the offset before the change.

Both come back as the wall time that they were.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import pendulum
from pendulum.tz.exceptions import InvalidTimezone

from bookio_api.errors import SettingsError

if TYPE_CHECKING:
    from pendulum.tz.timezone import Timezone

DEFAULT_TIMEZONE = "Europe/Bratislava"

_WALL = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?P<minute>\d{2}:\d{2})(?P<second>:\d{2}(?:\.\d{1,9})?)?"
    r"(?P<offset>Z|[+-]\d{2}:?\d{2})?)?",
    re.IGNORECASE,
)
_LONGEST = len("2018-06-29T12:00:00.123456789+02:00")


@cache
def zone(name: str) -> Timezone:
    """Return the IANA time zone, or raise ``SettingsError``."""
    try:
        return pendulum.timezone(name)
    except (InvalidTimezone, ValueError, OSError, TypeError) as error:
        msg = f"{name!r} is no IANA time zone; write one such as {DEFAULT_TIMEZONE}"
        raise SettingsError(msg) from error


class OffsetClock(dict[str, str | None]):
    """Puts the offset of one zone behind wall times; ``clock[wall]`` remembers what it made.

    ``clock["2018-06-29T12:00:00"]`` is ``2018-06-29T12:00:00+02:00``. A text that has an offset
    already is kept, a date is its midnight, and what is no datetime is ``None``.
    """

    _MOST_TEXTS = 20_000
    _MOST_DAYS = 100_000

    def __init__(self, tz: Timezone) -> None:
        """Make a clock for the zone of a facility."""
        super().__init__()
        self.tz = tz
        self._days: dict[str, str] = {}
        self._times: set[str] = set()
        """The ``THH:MM:SS`` that have been seen to be right."""

    def __missing__(self, wall: str) -> str | None:
        """Make the text for a wall time that is not remembered."""
        offset = self._days.get(wall[:10])
        if offset is not None and wall[10:] in self._times:
            moment: str | None = wall + offset
        else:
            moment = self._slow(wall)
        if len(self) >= self._MOST_TEXTS:
            self.clear()
        if len(wall) <= _LONGEST:
            self[wall] = moment
        return moment

    def _slow(self, wall: str) -> str | None:
        match = _WALL.fullmatch(wall.strip())
        if match is None:
            return None
        day, minute = match["day"], match["minute"] or "00:00"
        second = match["second"] or ":00"
        try:
            moment = datetime.fromisoformat(f"{day}T{minute}{second[:3]}")
        except ValueError:
            return None
        if match["offset"] is not None:
            return wall
        offset = _offset_at(moment, self.tz)
        whole = f"{day}T{minute}{second}"
        if whole == wall and len(wall) == len("2018-06-29T12:00:00"):
            self._remember(wall, moment, offset)
        return whole + offset

    def _remember(self, wall: str, moment: datetime, offset: str) -> None:
        """Remember the offset of a day on which the clock does not change."""
        first, last = moment.replace(hour=0, minute=0), moment.replace(hour=23, minute=59)
        if _offset_at(first, self.tz) == offset == _offset_at(last, self.tz):
            if len(self._days) >= self._MOST_DAYS:
                self._days.clear()
            self._days[wall[:10]] = offset
            self._times.add(wall[10:])


def to_wall(text: str, tz: Timezone) -> str:
    """Return the facility's wall time ``YYYY-MM-DDTHH:MM:SS`` of a datetime text.

    A text without offset is wall time already. Raises ``ValueError`` if it is no datetime.
    """
    moment = datetime.fromisoformat(text)
    wall = moment.replace(tzinfo=None)
    if moment.tzinfo is not None and moment.utcoffset() not in _offsets_around(wall, tz):
        try:
            wall = moment.astimezone(tz).replace(tzinfo=None)
        except OverflowError as error:
            raise ValueError(*error.args) from error
    return wall.isoformat(timespec="seconds")


def to_epoch_ms(text: str, tz: Timezone) -> int:
    """Return epoch milliseconds of a date or datetime text; without offset it is local to ``tz``.

    What is before 1970 is 0. Raises ``ValueError`` if it is neither.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=tz)
    return max(0, int(moment.timestamp() * 1000))


@lru_cache(maxsize=10_000)
def _offsets_around(wall: datetime, tz: Timezone) -> tuple[timedelta | None, ...]:
    """Both offsets that a wall time may carry: they differ only on the nights of a change."""
    return tuple(wall.replace(tzinfo=tz, fold=fold).utcoffset() for fold in (0, 1))


def _offset_at(wall: datetime, tz: Timezone) -> str:
    offset = wall.replace(tzinfo=tz, fold=0).utcoffset() or timedelta()
    minutes = round(offset / timedelta(minutes=1))
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
