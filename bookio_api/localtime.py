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
from functools import cache
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


@cache
def zone(name: str) -> Timezone:
    """Return the IANA time zone, or raise ``SettingsError``."""
    try:
        return pendulum.timezone(name)
    except (InvalidTimezone, ValueError, OSError, TypeError) as error:
        msg = f"{name!r} is no IANA time zone; write one such as {DEFAULT_TIMEZONE}"
        raise SettingsError(msg) from error


class OffsetClock:
    """Puts the offset of one zone behind wall times, one look-up per distinct minute."""

    _MAX_REMEMBERED = 200_000

    def __init__(self, tz: Timezone) -> None:
        """Make a clock for the zone of a facility."""
        self.tz = tz
        self._offsets: dict[str, str | None] = {}

    def __call__(self, wall: str) -> str | None:
        """Return ``2018-06-29T12:00:00+02:00`` for ``2018-06-29T12:00:00``.

        A text that has an offset already is kept, a date is its midnight, and what is no
        datetime is ``None``.
        """
        if len(wall) == len("2018-06-29T12:00:00"):
            minute = wall[:16]
            offset = self._offsets.get(minute)
            if offset is not None and wall[16] == ":" and wall[17] < "6" and wall[17:].isdecimal():
                return wall + offset
        return self._slow(wall)

    def _slow(self, wall: str) -> str | None:
        match = _WALL.fullmatch(wall.strip())
        if match is None:
            return None
        day, minute = match["day"], match["minute"] or "00:00"
        second = match["second"] or ":00"
        try:
            offset = _offset_at(datetime.fromisoformat(f"{day}T{minute}{second[:3]}"), self.tz)
        except ValueError:
            return None
        if match["offset"] is not None:
            return wall
        if len(self._offsets) >= self._MAX_REMEMBERED:
            self._offsets.clear()
        self._offsets[f"{day}T{minute}"] = offset
        return f"{day}T{minute}{second}{offset}"


def to_offset(wall: str, tz: Timezone) -> str | None:
    """Return one wall time with its offset; see ``OffsetClock`` for many of them."""
    return OffsetClock(tz)(wall)


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

    Raises ``ValueError`` if it is neither.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=tz)
    return int(moment.timestamp() * 1000)


def _offsets_around(wall: datetime, tz: Timezone) -> tuple[timedelta | None, ...]:
    """Both offsets that a wall time may carry: they differ only on the nights of a change."""
    return tuple(wall.replace(tzinfo=tz, fold=fold).utcoffset() for fold in (0, 1))


def _offset_at(wall: datetime, tz: Timezone) -> str:
    offset = wall.replace(tzinfo=tz, fold=0).utcoffset() or timedelta()
    minutes = round(offset / timedelta(minutes=1))
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
