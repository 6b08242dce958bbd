"""Read an offset-paged list that changes under the reader, and lose nothing.

Why it is right. A response is a contiguous segment of the list at some moment. Say that every
resident row (present and unchanged throughout) up to some row F has been seen. A further segment
that holds a row seen before, unchanged and therefore in its old place, begins at or before F: all
residents from there to its end are in it, so all residents up to its end have been seen. This
needs no order of time among the responses, so they may be fetched in parallel. A segment at offset
0 needs no anchor, for nothing is before it. One anchor would do if the order were surely
deterministic and every move visible. Two that are still neighbours are asked for, and unchanged
rows that ever change places show that the order is not deterministic.

So pages overlap. A page without anchors is not used: the scan steps back, doubling, to offset 0 if
need be. It is COMPLETE when nothing follows the last anchor: the ``total`` says so or, without one
that is trusted, two pages asked for behind it, for what seems to be the end may be a page that was
cut or filtered in mid-list. What contradicts all this (an offset that is ignored, rows that change
places, a ``total`` that cannot be paged to) makes it INCOMPLETE, or has the list read through date
windows, where only the order was at fault.
"""

from __future__ import annotations

from math import factorial
from typing import TYPE_CHECKING

from bookio_api.contract import MAX_PAGE_SIZE
from bookio_api.errors import RefusedError
from bookio_api.scan.anchors import Match, Recent
from bookio_api.scan.date_windows import Windows
from bookio_api.scan.end_of_list import Progress
from bookio_api.scan.pages import Fetch, Page, Row, UnreliableError, Verdict
from bookio_api.scan.prefetch import Prefetch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Executor, Future

MIN_LIMIT = 4
"""Two anchors and two new rows: a smaller ``page_size`` is raised to this."""
SURE_ANCHORS = 6
"""This many rows keep their places in a shuffled order once in 720 times: no closer look then."""
SURE_ORDER = 100_000
"""The odds against a shuffled order that a scan wants, from all its anchors, before it ends."""
MAX_REREADS = 8
MAX_RESTARTS = 6
MAX_FALSE_ENDS = 6
"""How often rows may follow the end, and no page bring news of them, before the scan gives up."""


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
        date_filters: tuple[str, str] | None = ("from", "to"),
        date_field: str = "dateFrom",
        first_page: Future[Page] | None = None,
        trust_total: bool = True,
    ) -> None:
        """Prepare a scan.

        The executor is the caller's and may be shared; None fetches one page after another. Never
        iterate a scan on a thread of its own executor. ``window`` restricts the whole scan (date
        filters from the settings); ``date_filters`` None forbids the fall-back to date windows. A
        ``first_page`` was asked for with `limit_of` the page size. ``trust_total`` False looks
        behind the end whatever the total says, for it may count the rows of the page alone.
        """
        self._fetch = fetch
        self._limit = limit_of(page_size)
        self._window = dict(window or {})
        self._date_filters = date_filters
        self._date_field = date_field
        self._trust_total = trust_total
        self._progress = Progress(self._limit, max(2, min(overlap, self._limit // 2)))
        self._recent = Recent(date_field)
        self._prefetch = Prefetch(self._fetch_at, executor, concurrency, first_page)
        self._windows: Windows | None = None
        self._first: Page | None = None
        self._unwritten: list[Row] = []  # rows that arrived and were not yet yielded
        self._back = 1  # how many overlaps the next request goes back
        self._restarts = 0
        self._behind = False  # stepped back: what comes next is partly known
        self._order_odds = 1  # against a shuffled order that the anchors did not give away
        self._behind_end: set[int] | None = None  # ids that followed an end and did not yet come
        self._false_ends = 0
        self.verdict = Verdict(complete=False, reason="the list was not read to its end")

    @property
    def rows(self) -> int:
        """How many different rows came, as far as the memory of recent pages tells."""
        return self._windows.rows if self._windows else self._progress.rows

    @property
    def requests(self) -> int:
        """Requests made so far."""
        return self._prefetch.requests + (self._windows.requests if self._windows else 0)

    @property
    def first_page(self) -> Page:
        """The first response, whose server time is the question's time."""
        if self._first is None:
            msg = "no page has been fetched yet"
            raise RuntimeError(msg)
        return self._first

    def pages(self) -> Iterator[list[Row]]:
        """Yield new rows in list order, a list for each accepted page; then `verdict` is set.

        Raises:
            Exception: whatever ``fetch`` raises.
        """
        try:
            yield from self._anchored_pages()
            self.verdict = Verdict(complete=True)
        except UnreliableError as problem:
            self.verdict = Verdict(complete=False, reason=str(problem))
            if self._unwritten:
                yield self._unwritten
            if problem.windows_help and self._date_filters:
                yield from self._windowed_pages(str(problem), self._date_filters)
        finally:
            self._prefetch.close()

    def _fetch_at(self, offset: int) -> Page:
        return self._fetch(offset, self._limit, self._window)

    def _anchored_pages(self) -> Iterator[list[Row]]:
        offset, ended = 0, False
        while not ended:
            page = self._take(offset)
            fresh = self._join(offset, page.rows)
            if fresh is None:
                offset = self._step_back()
                continue
            self._unwritten = fresh
            self._back = 1
            total = page.total if type(page.total) is int else None
            ended = self._progress.accept(offset, page.rows, total, len(fresh))
            if self._behind_end:
                self._behind_end.difference_update(row["id"] for row in page.rows)
            counted = self._trust_total and self._progress.is_counted
            if ended and not counted and not self._is_confirmed(page, fresh):
                ended, offset = False, self._back_from_end(len(fresh))
            elif not ended:
                self._progress.check_budget(self.requests)
                offset = self._progress.next_offset
                self._plan(offset, page.rows, total)
            else:
                self._progress.check_total(total)
            self._unwritten = []
            if fresh:
                yield fresh
        yield from self._check_order()

    def _is_confirmed(self, last: Page, fresh: list[Row]) -> bool:
        """Whether nothing follows what seems to be the end, in two pages behind it.

        An empty page behind one or two rows shares none with them: then all is read again.
        """
        if self._behind_end is not None and not self._behind_end:
            return True  # what followed an end before has come since
        progress = self._progress
        end, reach = progress.end, progress.reach
        self._prefetch.plan(end, reach, None, ramp=2 if last.rows else 0)
        start = end if last.rows else 0
        near = self._rows_behind(start) if end else []
        far = self._rows_behind(end + reach)
        self._unwritten = [*fresh, *near, *far]
        self._behind_end = {row["id"] for row in near} if near and not far else None
        return not near and not far

    def _rows_behind(self, offset: int) -> list[Row]:
        """Return what is there behind the end; a server may refuse to look (U): that is nothing."""
        try:
            return self._progress.beyond(self._prefetch.take(offset).rows)
        except RefusedError:
            return []

    def _back_from_end(self, news: int) -> int:
        """Return an offset from where to join what follows a false end, ever further back."""
        progress = self._progress
        progress.reopen()
        progress.check_budget(self.requests)
        self._false_ends = 1 if news else self._false_ends + 1
        if self._false_ends > MAX_FALSE_ENDS:
            msg = "rows follow the end of the list, and no page joins them to it"
            raise UnreliableError(msg, windows_help=True)
        return max(0, progress.end - (progress.overlap << self._false_ends))

    def _check_order(self) -> Iterator[list[Row]]:
        """Read the first page again where pages so short or few could hide a shuffled order."""
        rows, total, _ = self.first_page
        whole = {self._progress.end, total if self._trust_total else None}
        if len(rows) in whole and len(rows) < self._limit:
            return  # one response held the whole list
        for _ in range(MAX_REREADS):
            if self._order_odds >= SURE_ORDER:
                return
            fresh = self._join(0, self._take(0).rows)
            self._unwritten = []
            if fresh:
                yield fresh

    def _windowed_pages(self, why: str, date_filters: tuple[str, str]) -> Iterator[list[Row]]:
        self._prefetch.close()
        self._windows = Windows(
            self._fetch,
            self._limit,
            longest=self._progress.longest,
            base=self._window,
            date_filters=date_filters,
            date_field=self._date_field,
        )
        try:
            self._recent.check_dates()
            yield from self._windows.pages()
            self.verdict = Verdict(complete=True)
        except UnreliableError as problem:
            reason = f"{why}; reading by date did not help: {problem}"
            self.verdict = Verdict(complete=False, reason=reason)

    def _take(self, offset: int) -> Page:
        page = self._prefetch.take(offset)
        if self._first is None:
            self._first = page
        self._unwritten = page.rows
        return page

    def _plan(self, offset: int, rows: list[Row], total: int | None) -> None:
        """Fetch ahead, up to the total; without one, ever more pages at a time."""
        progress = self._progress
        until, ramp = None, 1
        if total is not None and total >= progress.end:
            until = total - progress.overlap
        elif len(rows) == progress.longest:
            ramp = 1 << min(progress.accepted - 1, 6)
        self._prefetch.plan(offset, progress.stride, until, ramp)

    def _join(self, offset: int, rows: list[Row]) -> list[Row] | None:
        """Return the page's new rows, or None if it is not anchored to accepted rows."""
        progress, overlap = self._progress, self._progress.overlap
        by_id = {row["id"]: row for row in rows}
        if (
            not self._behind
            and SURE_ANCHORS <= overlap < len(rows) == len(by_id)
            and offset == progress.next_offset > 0
            and rows[:overlap] == progress.last[-overlap:]
            and rows[overlap] != progress.top[0]
        ):
            self._recent.add(by_id)
            self._add_order_odds(overlap)
            progress.rows += len(rows) - overlap
            return rows[overlap:]
        match = self._recent.match(by_id)
        if offset and not self._is_anchored(offset, rows, match):
            return None
        self._unwritten = match.fresh
        self._check_wrap(offset, rows)
        self._add_order_odds(match.in_order)
        self._behind = bool(rows) and rows[-1]["id"] in match.anchors
        self._recent.add(by_id)
        progress.rows += match.unseen
        return match.fresh

    def _is_anchored(self, offset: int, rows: list[Row], match: Match) -> bool:
        if self._progress.can_overlap:
            return match.linked
        return not rows and offset == self._progress.end

    def _add_order_odds(self, rows_in_order: int) -> None:
        self._order_odds = min(SURE_ORDER, self._order_odds * factorial(rows_in_order))

    def _check_wrap(self, offset: int, rows: list[Row]) -> None:
        """Refuse a page on which the list's first rows follow its last one."""
        top = self._progress.top
        ids = [row["id"] for row in self._progress.last[-1:]]
        place = next((i for i, row in enumerate(rows, 1) if [row["id"]] == ids), len(rows))
        tail = rows[place:]
        if offset and tail and top and tail[: len(top)] == top[: len(tail)]:
            msg = "the list starts over after its end"
            raise UnreliableError(msg)

    def _step_back(self) -> int:
        """Return the offset to ask for after a page that did not join: twice as far back."""
        progress = self._progress
        progress.reject()
        progress.check_budget(self.requests)
        self._back *= 2
        offset = max(0, progress.end - progress.overlap * self._back)
        if offset == 0:
            self._back = 1
            self._restarts += 1
        if self._restarts <= MAX_RESTARTS:
            return offset
        if progress.longest <= 2:  # noqa: PLR2004
            msg = f"the server's pages hold {progress.longest} rows; 3 are needed to verify them"
            raise UnreliableError(msg)
        msg = f"after {MAX_RESTARTS} restarts the pages still share no rows with one another"
        raise UnreliableError(msg, windows_help=True)
