"""Read a list of unstable order through date windows so narrow that each fits one response.

A single response cannot be torn apart by a change or by the list's order. A window counts as read
if it is shorter than a full page and the server agrees that nothing follows: by its ``total``, or
by an empty page at the window's end. Whether the filters include their ends is unknown, so
neighbours overlap by a day. The first and last windows are open, as the list's range is unknown.
"""

from __future__ import annotations

from collections import deque
from datetime import date, timedelta
from typing import TYPE_CHECKING

from bookio_api.scan.pages import UnreliableError, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bookio_api.scan.pages import Fetch, Page, Row

DAY = timedelta(days=1)
RECENT_WINDOWS = 20
MAX_WASTE = 100
"""Requests allowed beyond one for every two rows."""
Span = tuple[date | None, date | None]
"""First and last day; None leaves the window open."""


class Windows:
    """One reading of one list by date."""

    def __init__(
        self,
        fetch: Fetch,
        limit: int,
        *,
        longest: int,
        base: Mapping[str, str],
        date_filters: tuple[str, str],
        date_field: str,
    ) -> None:
        """Read within ``base``; ``longest`` is the longest page that this server ever sent."""
        self._fetch = fetch
        self._limit = limit
        self._longest = longest
        self._base = base
        self._filters = date_filters
        self._field = date_field
        self._recent: deque[set[int]] = deque(maxlen=RECENT_WINDOWS)
        self.requests = 0
        self.rows = 0

    def pages(self) -> Iterator[list[Row]]:
        """Yield the rows of each window, without those of the windows just before it.

        Raises:
            UnreliableError: a window cannot be narrowed or trusted; the message says why.
        """
        lower, upper = self._filters
        whole = (_day(self._base.get(lower)), _day(self._base.get(upper)))
        total_before = self._get(whole).total
        pending: list[Span] = [whole]
        while pending:
            span = pending.pop()
            page = self._get(span)
            self._check_rows(span, page)
            if self._fits(span, page):
                yield from self._unseen(page.rows)
            else:
                pending.extend(reversed(self._split(span, page.rows)))
        total = self._get(whole).total
        if type(total) is int and total == total_before and self.rows < total:
            msg = f"the server says total {shown(total)}, but the windows hold {self.rows} rows"
            raise UnreliableError(msg)

    def _get(self, span: Span, offset: int = 0) -> Page:
        self.requests += 1
        if self.requests > MAX_WASTE + self.rows // 2:
            msg = f"{self.requests} requests brought only {self.rows} rows"
            raise UnreliableError(msg)
        window = dict(self._base)
        days = zip(self._filters, span, strict=True)
        window.update({name: day.isoformat() for name, day in days if day})
        page = self._fetch(offset, self._limit, window)
        self._longest = max(self._longest, len(page.rows))
        return page

    def _fits(self, span: Span, page: Page) -> bool:
        """Whether this response is the whole window."""
        length = len(page.rows)
        total = page.total if type(page.total) is int else None
        below_cap = length < self._longest
        if total == length and below_cap:
            return True
        if total != length and (total is not None or not below_cap):
            return False
        behind = (length, length + self._limit) if total is None else (length,)
        return not any(self._get(span, offset).rows for offset in behind)

    def _check_rows(self, span: Span, page: Page) -> None:
        lower, upper = span
        for row in page.rows:
            starts = _day(row.get(self._field))
            if starts is None:
                msg = f"rows without {self._field} are in no date window"
                raise UnreliableError(msg)
            ends = _day(row.get("dateTo")) or starts
            too_late = upper is not None and starts > upper + DAY
            too_early = lower is not None and max(starts, ends) < lower - DAY
            if too_late or too_early:
                msg = f"the server ignores the filters {' and '.join(self._filters)}"
                raise UnreliableError(msg)

    def _split(self, span: Span, rows: list[Row]) -> list[Span]:
        """Cut at the median day: both parts are narrower, and share a day."""
        lower, upper = span
        days = sorted(day for row in rows if (day := _day(row.get(self._field))))
        if not days:  # the window was empty, and then was not: ask again
            return [span]
        pivot = days[len(days) // 2]
        if lower is not None:
            pivot = max(pivot, lower + 2 * DAY)
        if upper is not None:
            pivot = min(pivot, upper - DAY)
        if lower is not None and pivot - DAY <= lower:
            msg = f"the window {_text(span)} holds more rows than one response"
            raise UnreliableError(msg)
        return [(lower, pivot), (pivot - DAY, upper)]

    def _unseen(self, rows: list[Row]) -> Iterator[list[Row]]:
        ids = {row["id"] for row in rows}
        unseen = [row for row in rows if not any(row["id"] in seen for seen in self._recent)]
        self._recent.append(ids)
        self.rows += len(unseen)
        if unseen:
            yield unseen


def _day(value: object) -> date | None:
    """Return the day of a date or datetime as Bookio writes it, None for anything else."""
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def _text(span: Span) -> str:
    return " to ".join(str(day) if day else "any day" for day in span)
