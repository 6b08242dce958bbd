"""Bookio's clock: the ``Date`` of responses plus the monotonic clock (rule 1).

This machine's wall clock is not used: it may jump, and Bookio stamps rows by its own clock.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

DATE_RESOLUTION_MS = 1_000
"""A ``Date`` header has whole seconds, so `ServerClock` may be behind by this much, and the time
between two of its readings may seem this much too long."""
JUMP_MS = 5_000
"""If a ``Date`` differs from the expected one by more than this, the clock jumped."""
MAX_JUMPS = 4
"""After so many jumps in a run, the servers behind Bookio's address disagree about the time."""


class Moment(NamedTuple):
    """A point in time, by two clocks."""

    server_ms: int
    """Bookio's time (`ServerClock.now_ms`): what is stored, and asked for."""
    steady_ms: int
    """The time since this run's clock was made: it never jumps (`ServerClock.steady_ms`)."""


class ServerClock:
    """The current time at Bookio. Any thread may call `hear`."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Start without a time, until the first response."""
        self._monotonic = monotonic
        self._started_s = monotonic()
        self._lock = Lock()
        """Guards what `hear` changes."""
        self._offset_ms: float | None = None
        """Bookio's clock minus ours. The largest offset since the last jump is the most accurate:
        a ``Date`` is rounded down and arrives late, so it is never ahead."""
        self._largest_offset_ms = float("-inf")
        """The largest offset of the whole run."""
        # Without a Date only differences are used, but epoch times look sensible in the journal.
        self._unheard_ms = time.time() * 1000 - monotonic() * 1000
        self.jumps = 0
        """How often the clock jumped, either way; each time, every window starts again."""

    @property
    def is_known(self) -> bool:
        """Whether responses have a ``Date`` that can be believed."""
        return self._offset_ms is not None and self.jumps < MAX_JUMPS

    @property
    def frame(self) -> int:
        """A number that changes with each jump, and with the first ``Date``.

        Times that were read in different frames cannot be compared.
        """
        return self.jumps + (self._offset_ms is not None)

    def hear(self, date_ms: int | None) -> None:
        """Process the ``Date`` of a response that has just arrived."""
        if date_ms is None:
            return
        offset = date_ms - self._monotonic() * 1000
        with self._lock:
            self._largest_offset_ms = max(offset, self._largest_offset_ms)
            if self._offset_ms is None:
                self._offset_ms = offset
            # If the clock jumps to and fro, each jump would restart the waits, and the run would
            # never end. So from now on only our own clock counts. It starts at the latest time
            # heard: to the next run, Bookio's clock then went back, and the waits start again.
            elif self.jumps >= MAX_JUMPS:
                pass
            elif abs(offset - self._offset_ms) > JUMP_MS:
                self.jumps += 1
                is_last = self.jumps == MAX_JUMPS
                self._offset_ms = self._largest_offset_ms if is_last else offset
            else:
                self._offset_ms = max(offset, self._offset_ms)

    def now_ms(self) -> int:
        """Return Bookio's time in epoch ms; without a ``Date``, only differences are valid."""
        offset = self._unheard_ms if self._offset_ms is None else self._offset_ms
        return int(self._monotonic() * 1000 + offset)

    def steady_ms(self) -> int:
        """Return the time since this clock was made, in ms, which no jump changes."""
        return int((self._monotonic() - self._started_s) * 1000)

    def moment(self) -> Moment:
        """Return the time by both clocks."""
        return Moment(self.now_ms(), self.steady_ms())
