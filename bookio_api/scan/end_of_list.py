"""How far a scan has come, and whether that is the end of the list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bookio_api.scan.pages import UnreliableError, shown

if TYPE_CHECKING:
    from bookio_api.scan.pages import Row

QUIET_PAGE, SURE_END, SURER_END = 3, 4, 10
"""Evidence that the list ends: an anchored page with nothing new weighs 3, a short one 1.

4 are enough, or 10 where the server contradicts itself: by its total, or by short pages inside.
"""
MAX_REPEATS, MAX_REPEATED_ROWS = 3, 30
MAX_IDLE_REQUESTS = 40
SPARE_REQUESTS, MAX_REQUESTS = 100, 50_000


class Progress:
    """The books of one scan; `accept` writes each accepted page into them."""

    def __init__(self, limit: int, max_overlap: int) -> None:
        """Start before the first page."""
        self._limit = limit
        self._max_overlap = max_overlap
        self.top: list[Row] = []
        """Rows of the page accepted last at offset 0."""
        self.last: list[Row] = []
        """Rows of the page accepted last."""
        self.offset = self.end = 0
        """Where that page began, and where it ended."""
        self.longest = 0
        """Rows of the longest page so far: the server's cap, if that is below the limit."""
        self.accepted = 0
        """Number of accepted pages."""
        self.rows = 0
        """Different rows so far, as far as the memory of recent pages tells."""
        self.is_counted = False
        """Whether all rows came, and the last of them where the ``total`` says."""
        self._furthest = 0
        self._evidence = self._repeats = self._repeated_rows = self._idle = 0
        self._short_inside = self._uneven = False  # pages below the limit, or of uneven length
        self._steady = True  # no step back: then each row was counted once
        self._totals: set[int | None] = set()

    @property
    def overlap(self) -> int:
        """How many rows consecutive pages share."""
        return min(self._max_overlap, max(2, self.longest // 2))

    @property
    def stride(self) -> int:
        """How many new rows a page brings."""
        return max(1, self.longest - self.overlap)

    @property
    def reach(self) -> int:
        """How many rows a page surely holds: the next page behind one leaves no gap."""
        return self.longest or self._limit

    @property
    def can_overlap(self) -> bool:
        """Whether the last page is long enough to share two rows with its successor."""
        return len(self.last) > 2  # noqa: PLR2004

    @property
    def next_offset(self) -> int:
        """Where the next page begins."""
        return max(0, self.end - self.overlap) if self.can_overlap else self.end

    def accept(self, offset: int, rows: list[Row], total: int | None, news: int) -> bool:
        """Note an accepted page with this many new rows; True if the list ends with it.

        Raises:
            UnreliableError: the server ignores the offset, or its total cannot be paged to.
        """
        self._check_repeat(offset, rows)
        quiet = not news and not self._repeats and self._ends_like(offset, rows)
        self.longest = max(self.longest, len(rows))
        if self.accepted and news > self.overlap:
            self._uneven = self._uneven or len(self.last) < self.longest
            self._short_inside = self._short_inside or len(self.last) < self._limit
        if offset == 0:
            self.top = rows
        if rows or offset == 0:
            self.last = rows
        self.offset, self.end = offset, offset + len(rows)
        self._furthest = max(self._furthest, self.end)
        self.accepted += 1
        self._idle = 0 if news else self._idle + 1
        self._totals.add(total)
        short = not rows or len(rows) < (self.longest if self.accepted > 1 else self._limit)
        return self._is_end(total, short=short, quiet=quiet, news=news)

    def reject(self) -> None:
        """Note a page that could not be used."""
        self._idle += 1
        self._steady = False

    def reopen(self) -> None:
        """Note that rows follow what seemed to be the end."""
        self.reject()
        self._evidence = 0

    def beyond(self, rows: list[Row]) -> list[Row]:
        """Return a page behind the end, but none if a server sends its last or first rows there."""
        ids = [row["id"] for row in rows]
        is_last = ids[-1:] == [row["id"] for row in self.last[-1:]]
        return [] if is_last or {row["id"] for row in self.top}.issuperset(ids) else rows

    def check_budget(self, requests: int) -> None:
        """Bound the requests without news, and all of them by how far into the list they came.

        Raises:
            UnreliableError: the list changes faster than it can be read, or never ends.
        """
        enough = min(MAX_REQUESTS, SPARE_REQUESTS + 8 * self._furthest // self.stride)
        if self._idle > MAX_IDLE_REQUESTS or requests > enough:
            msg = f"no end in sight after {requests} requests and {self.rows} rows"
            raise UnreliableError(msg, windows_help=requests <= MAX_REQUESTS)

    def _ends_like(self, offset: int, rows: list[Row]) -> bool:
        """Whether the page ends with the same row as the one before it, or is empty behind it."""
        if not rows or not self.last:
            return self.accepted > 0 and not rows and offset == self.end
        return bool(rows[-1]["id"] == self.last[-1]["id"])

    def _check_repeat(self, offset: int, rows: list[Row]) -> None:
        """Count pages that still hold the rows which their offset should have skipped."""
        skipped = {row["id"] for row in self.last[: max(0, offset - self.offset)]}
        held = sum(row["id"] in skipped for row in rows) if skipped else 0
        if held * 4 <= len(skipped) * 3:
            self._repeats = self._repeated_rows = 0
            return
        self._repeats += 1
        self._repeated_rows += held
        if self._repeats >= MAX_REPEATS and self._repeated_rows >= MAX_REPEATED_ROWS:
            msg = "the server ignores the offset: the same page came again and again"
            raise UnreliableError(msg)

    def _is_end(self, total: int | None, *, short: bool, quiet: bool, news: int) -> bool:
        if total == self.end and (short or quiet or self._is_whole_list(total)):
            self._check_count(total)
            joined = self.offset < self.end or not total
            self.is_counted = self._steady and joined and self.rows >= total
            return True
        restarted = self.offset == 0 and not quiet
        if news > self.overlap or restarted or not short:
            self._evidence = int(short)
        elif quiet or news:
            self._evidence += QUIET_PAGE if quiet else 1
        if total is not None and total > self.end:
            return self._evidence >= SURER_END
        return self._evidence >= (SURER_END if self._uneven else SURE_END)

    def check_total(self, total: int | None) -> None:
        """Compare the total with an end that nothing follows.

        Raises:
            UnreliableError: the server says that there are more rows.
        """
        if total is not None and total > self.end:
            msg = f"the server says total {shown(total)}, but only {self.end} rows can be paged to"
            raise UnreliableError(msg)

    def _is_whole_list(self, total: int) -> bool:
        """Whether the server ignores the limit and sends everything at once."""
        return self.offset == 0 and total > self._limit

    def _check_count(self, total: int) -> None:
        if self._short_inside and self.rows < total and len(self._totals) == 1:
            came = f"only {self.rows} different rows came"
            msg = f"the server says total {shown(total)}, but {came}"
            raise UnreliableError(msg)
