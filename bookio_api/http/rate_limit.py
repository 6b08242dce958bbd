"""Decides when the next request may start: one gate for all threads of a client.

Three things close it; the one that ends last counts:

1. the pace of ``requests_per_second``;
2. a ``Retry-After``, which applies to the whole server and therefore to every thread;
3. our own pause after 429 without one. It doubles with each refusal and halves with each
   success, and while it lasts one request starts at a time, so that a full window is not met by
   every thread at once.
"""

from __future__ import annotations

import logging
import math
import random
import re
import time
from threading import Event, Lock
from typing import TYPE_CHECKING

from bookio_api.http.deadlines import StoppedError
from bookio_api.responses import parse_http_date

if TYPE_CHECKING:
    from collections.abc import Callable

    from bookio_api.http.retries import RetryPolicy

MAX_SLEEP_S = 1.0
"""Longest sleep of a waiting thread: a success may have shortened its wait."""
MAX_RETRY_AFTER_S = 366 * 86400
"""Longer waits count as a year, because later times may not be printable."""

logger = logging.getLogger(__name__)


class RequestGate:
    """Lets requests start, one at a time if necessary. Safe to use from several threads."""

    def __init__(
        self,
        per_second: float,
        policy: RetryPolicy,
        stopped: Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start open; without ``per_second`` there is no pace. ``stopped`` ends every wait."""
        self._interval_s = 1 / per_second if per_second else 0.0
        self._policy = policy
        self._stopped = stopped
        self._clock = clock
        # Changed under _lock, by the thread that starts or ends a request.
        self._lock = Lock()
        self._last_start = self._held_until = -math.inf  # by the clock, as is the next
        self._succeeded: dict[str, float] = {}  # last success by operation, since the first 429
        self._pause_s = 0.0
        self._closings = 0  # how often a refusal closed the gate
        # Threads queue here, so that one sleeps until the next start and the others behind it.
        self._turnstile = Lock()

    def wait(self) -> int:
        """Wait for the next start, and return a ticket for ``refused`` or ``succeeded``.

        Raises:
            StoppedError: the client has been stopped.
        """
        if not (self._interval_s or self._closings):
            return 0  # no pace and no refusal so far: skip the lock
        with self._turnstile:
            while not self._stopped.is_set():
                with self._lock:
                    now = self._clock()
                    spaced = self._last_start + max(self._interval_s, self._pause_s)
                    delay_s = max(self._held_until, spaced) - now
                    if delay_s <= 0:
                        self._last_start = now
                        return self._closings
                self._stopped.wait(min(delay_s, MAX_SLEEP_S))
        raise StoppedError

    def refused(self, ticket: int, retry_after_s: float | None) -> None:
        """Close the gate after a 429, for every thread.

        Requests in flight when it closed are no new information, so only one of them makes the
        pause longer; but the latest ``Retry-After`` counts, from any request.
        """
        with self._lock:
            is_news = ticket == self._closings
            wait_s = retry_after_s or 0.0
            if is_news:
                self._closings += 1
            if is_news and retry_after_s is None:
                policy = self._policy
                self._pause_s = min(policy.max_pause_s, max(policy.min_pause_s, 2 * self._pause_s))
                wait_s = self._pause_s * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
            self._held_until = max(self._held_until, self._clock() + wait_s)
        if is_news:
            logger.info("Too many requests (HTTP 429): all requests wait %.1f s", wait_s)

    def hold(self, seconds: float) -> None:
        """Close the gate for as long as a busy server asks."""
        with self._lock:
            self._closings += 1
            self._held_until = max(self._held_until, self._clock() + seconds)

    def succeeded(self, ticket: int, operation: str) -> None:
        """Record a success, which halves the pause if it began after the last refusal."""
        if not self._closings:
            return
        with self._lock:
            self._succeeded[operation] = self._clock()
            if ticket == self._closings:
                halved = self._pause_s / 2
                self._pause_s = halved if halved >= self._policy.min_pause_s / 8 else 0.0

    def is_hopeless(self, operation: str, first_refused: float) -> bool:
        """Whether 429 has lasted too long.

        Another thread's success with the same operation counts: the list makes progress, and only
        chance keeps this request waiting.
        """
        with self._lock:
            since = max(first_refused, self._succeeded.get(operation, 0.0))
        return self._clock() - since >= self._policy.max_wait_s


def parse_retry_after(header: str | None, server_time_ms: int | None) -> float | None:
    """Return the seconds that a server asks to wait, or ``None`` if it does not.

    A date counts from ``server_time_ms``, the response's own ``Date``: our clock may be wrong.
    """
    text = (header or "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        whole, *_ = text.split(".")
        too_long = len(whole.lstrip("0")) > len(str(MAX_RETRY_AFTER_S))
        seconds = float(MAX_RETRY_AFTER_S if too_long else text)
    else:
        moment_ms = parse_http_date(text)
        if moment_ms is None:
            return None
        now_ms = time.time() * 1000 if server_time_ms is None else server_time_ms
        seconds = (moment_ms - now_ms) / 1000
    return min(seconds, MAX_RETRY_AFTER_S) if seconds > 0 else None
