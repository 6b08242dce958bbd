"""Bookio's clock: the ``Date`` of responses plus the monotonic clock (rule 1).

This machine's wall clock is not used: it may jump, and Bookio stamps rows by its own clock.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

DATE_RESOLUTION_MS = 1_000
"""A ``Date`` header has whole seconds, so `ServerClock` may be behind by this much, and the time
between two of its readings may seem this much too long."""
WENT_BACK_MS = 5_000
"""If a ``Date`` is earlier than expected by more than this, the clock went back."""


class ServerClock:
    """The current time at Bookio. Any thread may call `hear`."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Start without a time, until the first response."""
        self._monotonic = monotonic
        self._lock = Lock()
        """Guards what `hear` changes."""
        self._offset_ms: float | None = None
        """Bookio's clock minus ours. The largest offset so far is the most accurate: a ``Date`` is
        rounded down and arrives late, so it is never ahead."""
        # Without a Date only differences are used, but epoch times look sensible in the journal.
        self._unheard_ms = time.time() * 1000 - monotonic() * 1000
        self.times_back = 0
        """How often the clock went back; each time, every window and doubt starts again."""

    @property
    def is_known(self) -> bool:
        """Whether any response had a ``Date``."""
        return self._offset_ms is not None

    def hear(self, date_ms: int | None) -> None:
        """Process the ``Date`` of a response that has just arrived."""
        if date_ms is None:
            return
        offset = date_ms - self._monotonic() * 1000
        with self._lock:
            if self._offset_ms is None or offset > self._offset_ms:
                self._offset_ms = offset
            elif offset < self._offset_ms - WENT_BACK_MS:
                self._offset_ms = offset
                self.times_back += 1

    def now_ms(self) -> int:
        """Return Bookio's time in epoch ms; without a ``Date``, only differences are valid."""
        offset = self._unheard_ms if self._offset_ms is None else self._offset_ms
        return int(self._monotonic() * 1000 + offset)
