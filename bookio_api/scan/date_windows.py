"""Reads a list of unstable order by date, in windows that each fit into one response.

A single response cannot be torn apart by a change or by the list's order (PROOF 10).
"""

from __future__ import annotations

from collections import deque
from datetime import date, timedelta
from typing import TYPE_CHECKING

from bookio_api.contract import TERM
from bookio_api.scan.end_of_list import counts_list
from bookio_api.scan.pages import UnreliableError, total_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bookio_api.scan.pages import Fetch, Page, Row

START, END = TERM
DAY = timedelta(days=1)
RECENT_WINDOWS = 20
SPARE_REQUESTS = 100
"""Requests allowed beyond one for every two rows."""
Span = tuple[date | None, date | None]
"""First and last day; None leaves the window open at that side."""


class DateWindows:
    """One reading of one list by date."""

    def __init__(
        self,
        fetch: Fetch,
        limit: int,
        *,
        longest: int,
        total_is_whole: bool,
        base: Mapping[str, str],
        date_filters: tuple[str, str],
    ) -> None:
        """Read within ``base``; ``longest`` is the longest page that this server ever sent."""
        self._fetch = fetch
        self._limit = limit
        self._base = base
        self._filters = date_filters
        # Changed by `pages`, on the thread that iterates:
        self._longest = longest
        self._total_is_whole = total_is_whole
        self._recent: deque[set[int]] = deque(maxlen=RECENT_WINDOWS)
        self.requests = 0
        self.rows = 0

    def check_dates(self, rows: Iterable[Row]) -> None:
        """Refuse rows without a date, as no bounded window contains them.

        Raises:
            UnreliableError: there is such a row.
        """
        if any(_day(row.get(START)) is None for row in rows):
            msg = f"some rows have no {START}, so no date window contains them"
            raise UnreliableError(msg)

    def pages(self) -> Iterator[list[Row]]:
        """Yield the rows of each window, without those of the windows just before it.

        Raises:
            UnreliableError: a window cannot be narrowed or trusted; the message says why.
        """
        lower, upper = self._filters
        whole = (_day(self._base.get(lower)), _day(self._base.get(upper)))
        total_before = self._ask(whole).total
        pending: list[Span] = [whole]  # the window to read next is the last
        while pending:
            span = pending.pop()
            page = self._ask(span)
            self.check_dates(page.rows)
            self._check_filters(span, page.rows)
            if self._fits(span, page):
                yield from self._unseen(page.rows)
            else:
                pending.extend(reversed(self._split(span, page.rows)))
        total = self._ask(whole).total
        # A total that changed meanwhile proves nothing; otherwise it is the number of rows.
        if type(total) is int and total == total_before and self.rows < total:
            msg = f"the server reports {total_text(total)}, but the windows hold {self.rows} rows"
            raise UnreliableError(msg)

    def _ask(self, span: Span, offset: int = 0) -> Page:
        self.requests += 1
        if self.requests > SPARE_REQUESTS + self.rows // 2:
            msg = f"{self.requests} requests brought only {self.rows} rows"
            raise UnreliableError(msg)
        days = zip(self._filters, span, strict=True)
        window = {**self._base, **{name: day.isoformat() for name, day in days if day}}
        page = self._fetch(offset, self._limit, window)
        self._longest = max(self._longest, len(page.rows))
        self._total_is_whole = self._total_is_whole or counts_list(page, offset)
        return page

    def _fits(self, span: Span, page: Page) -> bool:
        """Whether this response is the whole window."""
        length = len(page.rows)
        total = page.total if type(page.total) is int else None
        below_cap = length < self._longest
        is_believed = total is not None and (self._total_is_whole or total == 0)  # PROOF 7
        # 1. It is shorter than pages get, and the total agrees.
        if total == length and below_cap and is_believed:
            return True
        # 2. The total disagrees, or without a total it is as long as pages get.
        if total != length and (total is not None or not below_cap):
            return False
        # 3. Either sign is missing: nothing may follow it, and without a total, nothing further on.
        behind = (length,) if is_believed else (length, length + self._limit)
        return not any(self._ask(span, offset).rows for offset in behind)

    def _check_filters(self, span: Span, rows: list[Row]) -> None:
        """Raise UnreliableError if a row is not in its window, give or take a day."""
        lower, upper = span
        for row in rows:
            starts = _day(row.get(START))
            assert starts, "check_dates let a row without a date pass"
            ends = _day(row.get(END)) or starts
            too_late = upper is not None and starts > _moved(upper, DAY)
            too_early = lower is not None and max(starts, ends) < _moved(lower, -DAY)
            if too_late or too_early:
                msg = f"the server ignores the filters {' and '.join(self._filters)}"
                raise UnreliableError(msg)

    def _split(self, span: Span, rows: list[Row]) -> list[Span]:
        """Cut at the median day of the rows: both parts are narrower, and share a day."""
        lower, upper = span
        days = sorted(day for row in rows if (day := _day(row.get(START))))
        if not days:  # the window was empty, and then was not: ask again
            return [span]
        pivot = days[len(days) // 2]
        # Keep the pivot so far from both ends that each part is narrower than the window.
        if lower is not None:
            pivot = max(pivot, _moved(lower, 2 * DAY))
        if upper is not None:
            pivot = min(pivot, _moved(upper, -DAY))
        if lower is not None and _moved(pivot, -DAY) <= lower:
            msg = f"the window {_text(span)} holds more rows than one response"
            raise UnreliableError(msg)
        return [(lower, pivot), (_moved(pivot, -DAY), upper)]

    def _unseen(self, rows: list[Row]) -> Iterator[list[Row]]:
        """Yield the rows that are in none of the recent windows."""
        ids = {row["id"] for row in rows}
        unseen = [row for row in rows if not any(row["id"] in seen for seen in self._recent)]
        self._recent.append(ids)
        self.rows += len(unseen)
        if unseen:
            yield unseen


def _moved(day: date, by: timedelta) -> date:
    """Return another day, within those that a date can hold."""
    try:
        return day + by
    except OverflowError:
        return date.max if by > timedelta() else date.min


def _day(value: object) -> date | None:
    """Return the day of a date or datetime as Bookio writes it, None for anything else."""
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def _text(span: Span) -> str:
    return " to ".join(str(day) if day else "any day" for day in span)
