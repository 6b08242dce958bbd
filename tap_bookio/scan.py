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

from math import factorial
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Executor, Future

__all__ = ["Fetch", "Page", "Row", "Scan", "Verdict"]

MAX_LIMIT = 100
MIN_LIMIT = 4
"""Two anchors and two new rows: a smaller ``page_size`` is raised to this."""
SURE_ANCHORS = 6
"""This many rows keep their places in a shuffled order once in 720 times."""
SURE_ORDER = 100_000
"""The odds against a shuffled order that a scan wants, from all its anchors, before it ends."""
MAX_REREADS = 8
MAX_RESTARTS = 6
MAX_REPEATS, MAX_REPEATED_ROWS = 3, 30
MAX_IDLE_REQUESTS = 40
SPARE_REQUESTS, MAX_REQUESTS = 100, 50_000
QUIET_PAGE, SURE_END, SURER_END = 3, 4, 10
"""Evidence that the list ends: an anchored page with nothing new weighs 3, a short one 1.

4 are enough, or 10 where the server contradicts itself: by its total, or by short pages inside.
"""


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
        self._top: list[Row] = []  # rows of the page accepted last at offset 0
        self._last: list[Row] = []  # rows of the page accepted last, its offset and its end
        self._offset = self._end = 0
        self._longest = 0  # the longest page so far: the server's cap, if below the limit
        self._back = 1  # how many overlaps the next request goes back
        self._behind = False  # stepped back: what comes next is partly known
        self._short_inside = self._uneven = False  # pages below the limit, or of uneven length
        self._totals: set[int | None] = set()
        self._evidence = self._accepted = 0
        self._order_odds = 1  # against a shuffled order that the anchors did not give away
        self._restarts = self._repeats = self._repeated_rows = self._idle = 0

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
                yield from self._windowed_pages(str(problem), self._date_filters)
        finally:
            self._prefetch.close()

    def _fetch_at(self, offset: int) -> Page:
        return self._fetch(offset, self._limit, self._window)

    def _anchored_pages(self) -> Iterator[list[Row]]:
        offset = 0
        while True:
            page = self._prefetch.take(offset)
            if self._first is None:
                self._first = page
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
                break
        yield from self._check_order()

    def _check_order(self) -> Iterator[list[Row]]:
        """Read the first page again where pages so short or few could hide a shuffled order."""
        if self.rows <= len(self.first_page.rows):
            return
        for _ in range(MAX_REREADS):
            if self._order_odds >= SURE_ORDER:
                return
            fresh = self._join(0, self._prefetch.take(0))
            if fresh:
                yield fresh

    def _windowed_pages(self, why: str, date_filters: tuple[str, str]) -> Iterator[list[Row]]:
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
            self._recent.check_dates()
            yield from self._windows.pages()
            self.verdict = Verdict(complete=True)
        except UnreliableError as problem:
            reason = f"{why}; reading by date did not help: {problem}"
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
            and rows[overlap]["id"] != self._top[0]["id"]
        ):
            self._recent.add(by_id)
            self._add_order_odds(overlap)
            fresh = rows[overlap:]
            self.rows += len(fresh)
            return fresh
        match = self._recent.match(by_id)
        if offset and not self._is_anchored(offset, rows, match):
            return None
        self._check_wrap(offset, rows)
        self._add_order_odds(match.in_order)
        self._behind = bool(rows) and rows[-1]["id"] in match.anchors
        self._recent.add(by_id)
        self.rows += match.unseen
        return match.fresh

    def _add_order_odds(self, rows_in_order: int) -> None:
        self._order_odds = min(SURE_ORDER, self._order_odds * factorial(rows_in_order))

    def _is_anchored(self, offset: int, rows: list[Row], match: Match) -> bool:
        if len(self._last) <= 2:  # noqa: PLR2004 (two rows cannot overlap and advance)
            return not rows and offset == self._end
        anchors = len(match.anchors)
        return anchors >= SURE_ANCHORS or (anchors > 1 and match.spans_ties)

    def _check_wrap(self, offset: int, rows: list[Row]) -> None:
        first = self._top
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

    def _check_budget(self, total: int | None = None) -> None:
        """Bound the requests without news, and all of them where the total tells how many do."""
        enough = MAX_REQUESTS
        if total is not None and total >= self._end:
            enough = SPARE_REQUESTS + 8 * total // max(1, self._longest - self._overlap)
        if self._idle > MAX_IDLE_REQUESTS or self.requests > enough:
            msg = f"no end in sight after {self.requests} requests and {self.rows} rows"
            raise UnreliableError(msg, windows_help=self.requests <= MAX_REQUESTS)

    # After a page: is this the end, and where does the next one begin?

    def _accept(self, offset: int, page: Page, fresh: list[Row]) -> bool:
        """Take the page into the books; True if the list ends with it."""
        rows = page.rows
        self._check_repeat(offset, rows)
        same_end = not rows or [row["id"] for row in self._last[-1:]] == [rows[-1]["id"]]
        quiet = not fresh and same_end and self._accepted > 0 and not self._repeats
        self._longest = max(self._longest, len(rows))
        news = len(fresh) > self._overlap
        if self._accepted and news:
            self._uneven = self._uneven or len(self._last) < self._longest
            self._short_inside = self._short_inside or len(self._last) < self._limit
        if offset == 0:
            self._top = rows
        self._last, self._offset, self._end = rows or self._last, offset, offset + len(rows)
        self._accepted += 1
        self._back = 1
        self._idle = 0 if fresh else self._idle + 1
        total = page.total if type(page.total) is int else None
        self._check_budget(total)
        return self._is_end(total, len(rows), quiet=quiet, news=news)

    def _check_repeat(self, offset: int, rows: list[Row]) -> None:
        """Count pages that still hold the rows which their offset should have skipped."""
        skipped = {row["id"] for row in self._last[: max(0, offset - self._offset)]}
        held = sum(row["id"] in skipped for row in rows) if skipped else 0
        if held * 4 <= len(skipped) * 3:
            self._repeats = self._repeated_rows = 0
            return
        self._repeats += 1
        self._repeated_rows += held
        if self._repeats >= MAX_REPEATS and self._repeated_rows >= MAX_REPEATED_ROWS:
            msg = "the server ignores the offset: the same page came again and again"
            raise UnreliableError(msg)

    def _is_end(self, total: int | None, length: int, *, quiet: bool, news: bool) -> bool:
        self._totals.add(total)
        short = not length or length < self._longest
        if self._accepted == 1:
            short = length != self._limit
        if total == self._end and (short or quiet):
            self._check_count(total)
            return True
        if news or not short:
            self._evidence = int(short)
        else:
            self._evidence += QUIET_PAGE if quiet else 1
        if total is not None and total > self._end:
            if self._evidence >= SURER_END:
                msg = f"the server says total {total}, but only {self._end} rows can be paged to"
                raise UnreliableError(msg)
            return False
        return self._evidence >= (SURER_END if self._uneven else SURE_END)

    def _check_count(self, total: int) -> None:
        if self._short_inside and self.rows < total and len(self._totals) == 1:
            msg = f"the server says total {total}, but only {self.rows} different rows came"
            raise UnreliableError(msg)

    def _next_offset(self) -> int:
        if len(self._last) <= 2:  # noqa: PLR2004
            return self._end
        return max(0, self._end - min(self._overlap, len(self._last)))

    def _plan(self, offset: int, page: Page) -> None:
        """Fetch ahead, up to the total; without one, ever more pages at a time."""
        until, ramp = None, 1
        if type(page.total) is int and page.total >= self._end:
            until = page.total - self._overlap
        elif len(page.rows) == self._longest:
            ramp = 1 << min(self._accepted - 1, 6)
        self._prefetch.plan(offset, max(1, self._longest - self._overlap), until, ramp)
