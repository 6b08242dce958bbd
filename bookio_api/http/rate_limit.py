"""Spaces requests out, as ``requests_per_second`` asks."""

from __future__ import annotations

import time
from threading import Lock


class Pace:
    """Hands out turns, evenly spaced."""

    def __init__(self, per_second: float) -> None:
        """Begin with a turn at once."""
        self._interval = 1 / per_second
        self._next = 0.0
        self._lock = Lock()

    def turn(self) -> float:
        """Take the next turn; return the seconds to wait for it."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._interval
        return turn - now
