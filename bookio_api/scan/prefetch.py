"""Fetches pages before they are needed: as many at a time as answers are slower than we are."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import wait
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future

    from bookio_api.scan.pages import Page

WORK_SECONDS = 0.0007
"""About what a page costs us, once it is here. Python does such work on one thread at a time, so
for a server that answers as quickly, further threads would only wait for one another."""


class Latency:
    """The quickest of the last few answers, measured by whoever asks. Safe to use from threads."""

    def __init__(self) -> None:
        """Know nothing yet: a server is far until it has shown that it is near."""
        self._seconds: deque[float] = deque(maxlen=8)

    def of(self, ask: Callable[[int], Page], offset: int) -> Page:
        """Return what asking returns, and remember how long it took."""
        started = time.monotonic()
        answer = ask(offset)
        self._seconds.append(time.monotonic() - started)
        return answer

    def useful(self, most: int) -> int:
        """Return how many requests are worth having under way, ``most`` at the most."""
        return min(most, int(min(self._seconds) / WORK_SECONDS)) if self._seconds else most


class Prefetch:
    """Fetches pages, some of them ahead of being asked for; the caller reads them in order."""

    def __init__(
        self,
        fetch: Callable[[int], Page],
        executor: Executor | None,
        concurrency: int,
        first_page: Future[Page] | None = None,
    ) -> None:
        """Take ``fetch(offset)``, and the first page if it is already on its way."""
        self._latency = Latency()
        self._fetch: Callable[[int], Page] = partial(self._latency.of, fetch)
        self._executor = executor
        self._concurrency = concurrency
        self._ahead: deque[tuple[int, Future[Page]]] = deque()
        self._stray: set[Future[Page]] = set()
        self.requests = 0
        if first_page is not None:
            self._ahead.append((0, first_page))
            self.requests = 1

    def take(self, offset: int) -> Page:
        """Return the page at this offset, fetched ahead or now."""
        if self._ahead and self._ahead[0][0] == offset:
            return self._ahead.popleft()[1].result()
        self.discard()
        self.requests += 1
        return self._fetch(offset)

    def plan(self, offset: int, stride: int, until: int | None, ramp: int) -> None:
        """Fetch ahead from this offset on.

        With ``until`` (rows) nothing beyond it is asked for; without, no more than ``ramp`` pages.
        """
        if self._executor is None:
            return
        if self._ahead and self._ahead[0][0] != offset:
            self.discard()
        depth = self._latency.useful(self._concurrency)
        depth = depth if until is not None else min(depth, ramp)
        following = self._ahead[-1][0] + stride if self._ahead else offset
        while len(self._ahead) < depth:
            if following != offset and until is not None and following >= until:
                break
            self._ahead.append((following, self._executor.submit(self._fetch, following)))
            self.requests += 1
            following += stride

    def discard(self) -> None:
        """Forget what was fetched ahead."""
        for _, future in self._ahead:
            if future.cancel():
                self.requests -= 1
            else:
                self._stray.add(future)
        self._ahead.clear()

    def close(self) -> None:
        """Cancel what has not started and wait for what has."""
        self.discard()
        wait(self._stray)
        self._stray.clear()
