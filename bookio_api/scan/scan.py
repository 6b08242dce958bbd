"""Reads an offset-paged list that changes meanwhile, without losing a resident row.

`Scan` fetches and emits; `Machine` decides. Start with PROOF.md, then ``machine.py``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bookio_api.contract import MAX_PAGE_SIZE
from bookio_api.errors import RefusedError
from bookio_api.scan.date_windows import DateWindows
from bookio_api.scan.machine import Machine
from bookio_api.scan.pages import Fetch, Page, Row, UnreliableError, Verdict
from bookio_api.scan.prefetch import Prefetch
from bookio_api.scan.state import MIN_SHARED, Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Executor, Future

MIN_LIMIT = 4
"""Two anchors and two new rows: a smaller ``page_size`` is raised to this."""


def limit_of(page_size: int) -> int:
    """Return the ``limit`` that a scan asks for."""
    return max(MIN_LIMIT, min(page_size, MAX_PAGE_SIZE))


class Scan:
    """One scan of one list. Iterate over `pages` once, then read `verdict`."""

    def __init__(
        self,
        fetch: Fetch,
        *,
        page_size: int = MAX_PAGE_SIZE,
        overlap: int = 10,
        executor: Executor | None = None,
        concurrency: int = 4,
        window: Mapping[str, str] | None = None,
        date_filters: tuple[str, str] | None = None,
        first_page: Future[Page] | None = None,
        trust_total: bool = True,
        total_is_whole: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare a scan.

        Args:
            fetch: asks for one page; called on threads of the executor, too.
            page_size: the ``limit`` to ask for, see `limit_of`.
            overlap: the most rows that consecutive pages share.
            executor: the caller's, and may be shared; without one, one page is fetched after
                another. Never iterate over a scan on a thread of the executor that it uses.
            concurrency: the most requests under way at a time.
            window: date filters from the settings, which restrict the whole scan.
            date_filters: the names of those filters; None forbids reading by date windows.
            first_page: the page at offset 0, if it was asked for before, with the same ``limit``.
            trust_total: False looks behind the end whatever the total says.
            total_is_whole: whether another scan has seen that the server's totals count the list,
                and not the page; otherwise a total that agrees with its page is not believed.
            clock: returns seconds; measures the scan and the server's latency.
        """
        self._fetch = fetch
        self._clock = clock
        self._limit = limit_of(page_size)
        self._window = dict(window or {})
        self._date_filters = date_filters
        self._machine = Machine(
            self._limit,
            max(MIN_SHARED, min(overlap, self._limit // 2)),
            trust_total=trust_total,
            total_is_whole=total_is_whole,
            has_date_filters=date_filters is not None,
        )
        self._prefetch = Prefetch(self._fetch_at, executor, concurrency, clock, first_page)
        # Set by `pages`, on the thread that iterates:
        self._by_date: DateWindows | None = None
        self._started: float | None = None
        self._ended: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether the scan is COMPLETE; INCOMPLETE until `pages` is exhausted."""
        return self._machine.verdict

    @property
    def rows(self) -> int:
        """How many different rows came, as far as the memory of recent pages tells."""
        return self._by_date.rows if self._by_date else self._machine.state.rows

    @property
    def total_is_whole(self) -> bool:
        """Whether the server's totals were seen to count the list, and not the page."""
        return self._machine.state.total_is_whole

    @property
    def requests(self) -> int:
        """Requests made so far."""
        return self._prefetch.requests + (self._by_date.requests if self._by_date else 0)

    @property
    def seconds(self) -> float:
        """Duration of the scan, including the caller's work between pages; 0 before it began."""
        if self._started is None:
            return 0.0
        ended = self._clock() if self._ended is None else self._ended
        return ended - self._started

    @property
    def first_page(self) -> Page:
        """The first response, whose server time is the question's time."""
        page = self._machine.state.first
        if page is None:
            msg = "no page has been fetched yet"
            raise RuntimeError(msg)
        return page

    def pages(self) -> Iterator[list[Row]]:
        """Yield new rows in list order, a list for each accepted page; then `verdict` is set.

        Raises:
            Exception: whatever ``fetch`` raises.
        """
        self._started = self._clock()
        try:
            while self._machine.state.phase not in {Phase.DATE_WINDOWS, Phase.DONE}:
                if rows := self._next_rows():
                    yield rows
            if self._machine.state.phase is Phase.DATE_WINDOWS:
                yield from self._read_by_date()
        finally:
            self._prefetch.close()
            self._ended = self._clock()

    def _next_rows(self) -> list[Row]:
        """Fetch the page that the machine asks for and return its new rows."""
        machine = self._machine
        rows = machine.receive(self._take(), self.requests)
        # Those pages are fetched while the caller works on the rows.
        if machine.ahead is not None:
            self._prefetch.plan(machine.state.asked, *machine.ahead)
        return rows

    def _take(self) -> Page:
        try:
            return self._prefetch.take(self._machine.state.asked)
        except RefusedError:
            # Whether a server allows a look behind the end is unknown (U): a refusal means nothing
            # is there. Anywhere else it is an error.
            if self._machine.state.phase in {Phase.LOOK_BEHIND_END, Phase.LOOK_FURTHER}:
                return Page([])
            raise

    def _fetch_at(self, offset: int) -> Page:
        return self._fetch(offset, self._limit, self._window)

    def _read_by_date(self) -> Iterator[list[Row]]:
        assert self._date_filters, "the machine reads by date only if there are filters"
        self._prefetch.close()
        self._by_date = DateWindows(
            self._fetch,
            self._limit,
            longest=self._machine.state.longest,
            total_is_whole=self._machine.state.total_is_whole,
            base=self._window,
            date_filters=self._date_filters,
        )
        try:
            self._by_date.check_dates(self._machine.state.recent.rows())
            yield from self._by_date.pages()
            self._machine.finish_by_date()
        except UnreliableError as problem:
            self._machine.finish_by_date(str(problem))
