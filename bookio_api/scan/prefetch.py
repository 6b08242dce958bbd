"""Fetches pages before they are asked for, as many at a time as the server's latency warrants."""

from __future__ import annotations

from collections import deque
from concurrent.futures import wait
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future

    from bookio_api.scan.pages import Page

WORK_S = 0.0007
"""Roughly what it costs to process a page once it has arrived. Python does such work on one thread
at a time, so with a server that answers as fast, more threads would only wait for one another."""
MEASURED_ANSWERS = 8


class Latency:
    """The shortest of the last few response times; safe to use from several threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Measure with a clock that returns seconds; a server counts as slow until measured."""
        self._clock = clock
        self._seconds: deque[float] = deque(maxlen=MEASURED_ANSWERS)  # append is atomic

    def measure(self, fetch: Callable[[int], Page], offset: int) -> Page:
        """Return the fetched page, and remember how long it took."""
        started = self._clock()
        page = fetch(offset)
        self._seconds.append(self._clock() - started)
        return page

    def useful_requests(self, most: int) -> int:
        """Return how many requests are worth having in flight, at most ``most``."""
        return min(most, int(min(self._seconds) / WORK_S)) if self._seconds else most


class Prefetch:
    """Fetches pages, some of them ahead; the caller takes them in order, on one thread."""

    def __init__(
        self,
        fetch: Callable[[int], Page],
        executor: Executor | None,
        concurrency: int,
        clock: Callable[[], float],
        first_page: Future[Page] | None = None,
    ) -> None:
        """Take ``fetch(offset)``, and the page at offset 0 if it was requested before."""
        self._latency = Latency(clock)
        self._fetch: Callable[[int], Page] = partial(self._latency.measure, fetch)
        self._executor = executor
        self._concurrency = concurrency
        # Changed by the caller's thread alone; the executor's threads only complete the futures.
        self._ahead: deque[tuple[int, Future[Page]]] = deque()  # by offset, in the order to take
        self._stray: set[Future[Page]] = set()  # no longer wanted, and too late to cancel
        self.requests = 0
        if first_page is not None:
            self._ahead.append((0, first_page))
            self.requests = 1

    def take(self, offset: int) -> Page:
        """Return the page at this offset, fetched ahead or now."""
        if self._ahead and self._ahead[0][0] == offset:
            return self._ahead.popleft()[1].result()
        self._discard()
        self.requests += 1
        return self._fetch(offset)

    def plan(
        self, offset: int, stride: int, until: int | None = None, max_pages: int | None = None
    ) -> None:
        """Fetch ahead from this offset on, pages that begin ``stride`` rows apart.

        With ``until`` no page at or beyond that offset, except the first; with ``max_pages`` no
        more than so many.
        """
        if self._executor is None:
            return
        if self._ahead and self._ahead[0][0] != offset:
            self._discard()
        depth = self._latency.useful_requests(self._concurrency)
        depth = depth if max_pages is None else min(depth, max_pages)
        following = self._ahead[-1][0] + stride if self._ahead else offset
        while len(self._ahead) < depth:
            if following != offset and until is not None and following >= until:
                break
            self._ahead.append((following, self._executor.submit(self._fetch, following)))
            self.requests += 1
            following += stride

    def close(self) -> None:
        """Cancel what has not started and wait for what has."""
        self._discard()
        wait(self._stray)
        self._stray.clear()

    def _discard(self) -> None:
        """Drop the pages fetched ahead, because the scan continues elsewhere."""
        for _, future in self._ahead:
            if future.cancel():
                self.requests -= 1
            else:
                self._stray.add(future)
        self._ahead.clear()
