"""The sandbox's clock, and its two forms of time: epoch milliseconds and wall time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

DEFAULT_START = datetime(2026, 9, 16, 6, tzinfo=UTC)
"""A Wednesday morning; fixed, so that a seed gives the same data on any day."""


class Clock:
    """Starts at a given time, ticks unless it is stopped, and can be moved forward and back."""

    def __init__(self, start: datetime = DEFAULT_START) -> None:
        """Start ticking at ``start``, which carries an offset."""
        self._ticks = True
        self.set(start)

    def set(self, moment: datetime) -> None:
        """Continue from ``moment``, which carries an offset."""
        self._start = moment.astimezone(UTC)
        self._started = time.monotonic()

    def advance(self, seconds: float) -> None:
        """Move by seconds, which may be negative. ``OverflowError`` beyond the calendar."""
        self.set(self.now() + timedelta(seconds=seconds))

    def tick(self, *, ticks: bool) -> None:
        """Stop at the current time, or continue from it."""
        self.set(self.now())
        self._ticks = ticks

    def now(self) -> datetime:
        """Return the time in UTC."""
        if not self._ticks:
            return self._start
        return self._start + timedelta(seconds=time.monotonic() - self._started)

    def now_ms(self) -> int:
        """Return the time in epoch milliseconds."""
        return epoch_ms(self.now())

    def http_date(self) -> bytes:
        """Return the time in the format of the ``Date`` header."""
        return format_datetime(self.now(), usegmt=True).encode()


def epoch_ms(moment: datetime) -> int:
    """Return the epoch milliseconds of a datetime that carries an offset."""
    return int(moment.timestamp() * 1000)


def wall_time(moment_ms: int, zone: ZoneInfo) -> str:
    """Return a facility's wall time, ``2018-06-29T12:00:00``, in Bookio's format."""
    moment = datetime.fromtimestamp(moment_ms // 1000, zone)
    return moment.replace(tzinfo=None).isoformat()
