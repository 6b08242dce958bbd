"""Read an offset-paged list that changes under the reader, and lose nothing.

Why it is right. A response is a contiguous segment of the list at some moment. Say that every
resident row (present and unchanged throughout) up to some row F has been seen. A further segment
that holds a row seen before, unchanged and therefore in its old place, begins at or before F: all
residents from there to its end are in it, so all residents up to its end have been seen. This
needs no order of time among the responses, so they may be fetched in parallel. A segment at offset
0 needs no anchor, for nothing is before it. One anchor would do where the order is deterministic;
two are asked for, and more where equal dates might be shuffled, to find out if it is not.

So pages overlap. A page without anchors is not used: the scan steps back, doubling, to offset 0 if
need be. It is COMPLETE when nothing follows the last anchor. What contradicts all this (an offset
that is ignored, rows that change places, a ``total`` that cannot be paged to) makes it INCOMPLETE,
or has the list read through date windows, where only the order was at fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future

from tap_bookio.pages import (
    Fetch,
    Match,
    Page,
    Prefetch,
    Recent,
    Row,
    UnreliableError,
    Verdict,
)
from tap_bookio.windows import Windows

__all__ = ["Fetch", "Page", "Row", "Scan", "Verdict"]

MAX_LIMIT = 100
MIN_LIMIT = 4
"""Two anchors and two new rows: a smaller ``page_size`` is raised to this."""
SURE_ANCHORS = 6
"""This many rows keep their places in a shuffled order once in 720 times."""
MAX_RESTARTS = 6
MAX_REPEATS = 3
MAX_IDLE_REQUESTS = 40
MAX_REQUESTS = 100_000
SURE_END, QUIET_PAGE = 4, 3
"""Evidence that the list ends: a page without news weighs 3, a short one 1, and 4 are enough."""


class Scan:
    """One scan of one list. Iterate over `pages` once, then read `verdict`."""

    def __init__(
        self,
        fetch: Fetch,
        *,
        page_size: int = MAX_LIMIT,
        overlap: int = 10,
        executor: Executor | None = None,
        concurrency: int = 4,
        window: Mapping[str, str] | None = None,
        date_filters: tuple[str, str] | None = ("from", "to"),
        date_field: str = "dateFrom",
        first_page: Future[Page] | None = None,
    ) -> None:
        """Prepare a scan.

        The executor is the caller's and may be shared; None fetches one page after another. Never
        iterate a scan on a thread of its own executor. ``window`` restricts the whole scan (date
        filters from the settings); ``date_filters`` None forbids the fall-back to date windows.
        """
        self._fetch = fetch
        self._limit = max(MIN_LIMIT, min(page_size, MAX_LIMIT))
        self._max_overlap = max(2, min(overlap, self._limit - 1))
        self._window = dict(window or {})
        self._date_filters = date_filters
        self._date_field = date_field
        self._recent = Recent(date_field)
        self._prefetch = Prefetch(self._fetch_at, executor, concurrency, first_page)
        self._windows: Windows | None = None

        self._first: Page | None = None
        self._last: list[Row] = []  # rows of the page accepted last, its offset and its end
        self._offset = self._end = 0
        self._longest = 0  # the longest page so far: the server's cap, if below the limit
        self._back = 1  # how many overlaps the next request goes back
        self._behind = False  # stepped back: what comes next is partly known
        self._short_inside = self._uneven = False  # pages below the limit, or of uneven length
        self._totals: set[int | None] = set()
        self._evidence = self._accepted = 0
        self._restarts = self._repeats = self._excess_totals = self._idle = 0

        self.rows = 0
        """How many different rows were given out, as far as the memory of recent pages tells."""
        self.verdict = Verdict(complete=False, reason="the list was not read to its end")

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
            if problem.windows_help and self._date_filters:
                yield from self._windowed_pages(self._date_filters)
        finally:
            self._prefetch.close()

    def _fetch_at(self, offset: int) -> Page:
        return self._fetch(offset, self._limit, self._window)

    def _anchored_pages(self) -> Iterator[list[Row]]:
        offset = 0
        while True:
            page = self._prefetch.take(offset)
            self._first = self._first or page
            fresh = self._join(offset, page)
            if fresh is None:
                offset = self._step_back()
                continue
            ended = self._accept(offset, page, fresh)
            if not ended:
                offset = self._next_offset()
                self._plan(offset, page)
            if fresh:
                yield fresh
            if ended:
                return

    def _windowed_pages(self, date_filters: tuple[str, str]) -> Iterator[list[Row]]:
        self._prefetch.close()
        self._windows = Windows(
            self._fetch,
            self._limit,
            longest=self._longest,
            base=self._window,
            date_filters=date_filters,
            date_field=self._date_field,
        )
        try:
            if self._recent.has_undated_rows():
                msg = f"rows without {self._date_field} are in no date window"
                raise UnreliableError(msg)
            yield from self._windows.pages()
            self.verdict = Verdict(complete=True)
        except UnreliableError as problem:
            reason = f"{self.verdict.reason}; reading by date did not help: {problem}"
            self.verdict = Verdict(complete=False, reason=reason)

    # One page: does it join on to what was accepted?

    @property
    def _overlap(self) -> int:
        return min(self._max_overlap, max(2, self._longest // 2))

    def _join(self, offset: int, page: Page) -> list[Row] | None:
        """Return the page's new rows, or None if it is not anchored to accepted rows."""
        rows = page.rows
        overlap = self._overlap
        by_id = {row["id"]: row for row in rows}
        if (
            not self._behind
            and SURE_ANCHORS <= overlap < len(rows) == len(by_id)
            and offset == self._end - overlap > 0
            and rows[:overlap] == self._last[-overlap:]
            and rows[overlap]["id"] != self.first_page.rows[0]["id"]
        ):
            self._recent.add(by_id)
            fresh = rows[overlap:]
            self.rows += len(fresh)
            return fresh
        match = self._recent.match(by_id)
        if offset and not self._is_anchored(offset, rows, match):
            return None
        self._check_wrap(offset, rows)
        self._behind = bool(rows) and rows[-1]["id"] in match.anchors
        self._recent.add(by_id)
        self.rows += match.unseen
        return match.fresh

    def _is_anchored(self, offset: int, rows: list[Row], match: Match) -> bool:
        if len(self._last) <= 2:  # noqa: PLR2004 (two rows cannot overlap and advance)
            return not rows and offset == self._end
        anchors = len(match.anchors)
        return anchors >= SURE_ANCHORS or (anchors > 1 and match.spans_ties)

    def _check_wrap(self, offset: int, rows: list[Row]) -> None:
        first = self.first_page.rows
        if not offset or not first or not self._last:
            return
        last_id = self._last[-1]["id"]
        place = next((i for i, row in enumerate(rows) if row["id"] == last_id), None)
        if place is None:
            return
        tail = rows[place + 1 :]
        if tail and tail[: len(first)] == first[: len(tail)]:
            msg = "the list starts over after its end"
            raise UnreliableError(msg)

    def _step_back(self) -> int:
        self._back *= 2
        self._idle += 1
        self._check_budget()
        offset = max(0, self._end - self._overlap * self._back)
        if offset == 0:
            self._restart()
        return offset

    def _restart(self) -> None:
        self._restarts += 1
        self._back = 1
        if self._restarts <= MAX_RESTARTS:
            return
        if self._longest <= 2:  # noqa: PLR2004
            msg = f"the server's pages hold {self._longest} rows; 3 are needed to verify them"
            raise UnreliableError(msg)
        msg = f"after {MAX_RESTARTS} restarts the pages still share no rows with one another"
        raise UnreliableError(msg, windows_help=True)

    def _check_budget(self) -> None:
        if self._idle > MAX_IDLE_REQUESTS or self.requests > MAX_REQUESTS:
            msg = f"no end in sight after {self.requests} requests and {self.rows} rows"
            raise UnreliableError(msg, windows_help=self.requests <= MAX_REQUESTS)

    # After a page: is this the end, and where does the next one begin?

    def _accept(self, offset: int, page: Page, fresh: list[Row]) -> bool:
        """Take the page into the books; True if the list ends with it."""
        rows = page.rows
        self._check_repeat(offset, rows)
        quiet = not fresh and [r["id"] for r in rows[-1:]] == [r["id"] for r in self._last[-1:]]
        quiet = (quiet or not rows) and self._accepted > 0 and not self._repeats
        self._longest = max(self._longest, len(rows))
        news = len(fresh) > self._overlap
        if self._accepted and news:
            self._uneven = self._uneven or len(self._last) < self._longest
            self._short_inside = self._short_inside or len(self._last) < self._limit
        self._last, self._offset, self._end = rows or self._last, offset, offset + len(rows)
        self._accepted += 1
        self._back = 1
        self._idle = 0 if fresh else self._idle + 1
        self._check_budget()
        return self._is_end(page, quiet=quiet, news=news)

    def _check_repeat(self, offset: int, rows: list[Row]) -> None:
        if rows and offset > self._offset and rows[:1] == self._last[:1]:
            self._repeats += 1
            if self._repeats == MAX_REPEATS:
                msg = "the server ignores the offset: the same page came again and again"
                raise UnreliableError(msg)
        else:
            self._repeats = 0

    def _is_end(self, page: Page, *, quiet: bool, news: bool) -> bool:
        total = page.total if type(page.total) is int else None
        self._totals.add(total)
        length = len(page.rows)
        short = length < self._longest if self._offset else length != self._limit
        if total is not None and total > self._end:
            self._evidence = 0
            self._excess_totals = self._excess_totals + 1 if quiet else 0
            if self._excess_totals == MAX_REPEATS:
                msg = f"the server says total {total}, but only {self._end} rows can be paged to"
                raise UnreliableError(msg)
            return False
        if total == self._end and (short or quiet):
            self._check_count(total)
            return True
        if quiet:
            self._evidence += QUIET_PAGE
        elif news or self._uneven or not short:
            self._evidence = int(short)
        else:
            self._evidence += 1
        return self._evidence >= (SURE_END + 2 * QUIET_PAGE if self._uneven else SURE_END)

    def _check_count(self, total: int) -> None:
        if self._short_inside and self.rows < total and len(self._totals) == 1:
            msg = f"the server says total {total}, but only {self.rows} different rows came"
            raise UnreliableError(msg)

    def _next_offset(self) -> int:
        if len(self._last) <= 2:  # noqa: PLR2004
            return self._end
        return max(0, self._end - min(self._overlap, len(self._last)))

    def _plan(self, offset: int, page: Page) -> None:
        total = page.total if type(page.total) is int and page.total > self._end else None
        until = total - self._overlap if total is not None else None
        stride = max(1, self._longest - self._overlap)
        self._prefetch.plan(offset, stride, until, ramp=self._accepted)
