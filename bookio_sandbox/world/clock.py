"""The sandbox's own time, and its two forms: epoch milliseconds and wall time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

DEFAULT_START = datetime(2026, 9, 16, 6, tzinfo=UTC)
"""A Wednesday morning; fixed, so that a seed gives the same world on any day."""


class Clock:
    """Starts at a given moment, ticks, and can be moved in both directions."""

    def __init__(self, start: datetime = DEFAULT_START) -> None:
        """Start ticking at ``start``, which carries an offset."""
        self.set(start)

    def set(self, moment: datetime) -> None:
        """Go on ticking from ``moment``, which carries an offset."""
        self._start = moment.astimezone(UTC)
        self._started = time.monotonic()

    def advance(self, seconds: float) -> None:
        """Jump by seconds, negative ones too. ``OverflowError`` beyond the calendar."""
        self.set(self.now() + timedelta(seconds=seconds))

    def now(self) -> datetime:
        """Return the moment in UTC."""
        return self._start + timedelta(seconds=time.monotonic() - self._started)

    def now_ms(self) -> int:
        """Return the moment in epoch milliseconds."""
        return epoch_ms(self.now())

    def http_date(self) -> bytes:
        """Return the moment as the ``Date`` header has it."""
        return format_datetime(self.now(), usegmt=True).encode()


def epoch_ms(moment: datetime) -> int:
    """Return epoch milliseconds of a moment that carries an offset."""
    return int(moment.timestamp() * 1000)


def wall_time(moment_ms: int, zone: ZoneInfo) -> str:
    """Return the time on a facility's wall, ``2018-06-29T12:00:00``, as Bookio sends it."""
    moment = datetime.fromtimestamp(moment_ms // 1000, zone)
    return moment.replace(tzinfo=None).isoformat()
