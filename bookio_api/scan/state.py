"""The phases of a scan, and everything that a scan knows about its list."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from bookio_api.scan.anchors import RecentPages

if TYPE_CHECKING:
    from bookio_api.scan.pages import Page, Row

MIN_SHARED = 2
"""Neighbours that anchor a page (PROOF 4)."""


class Phase(Enum):
    """What the scan does next. `Machine` alone moves from one to another."""

    FIRST_PAGE = auto()
    """Ask for offset 0."""
    FORWARD = auto()
    """Ask for the next page, which begins with the last rows of the one before it."""
    CATCH_UP = auto()
    """As FORWARD, but the page before it ended in a known row, so more of them may follow."""
    STEP_BACK = auto()
    """Ask for an earlier offset: a page was not anchored, or rows follow what seemed the end."""
    LOOK_BEHIND_END = auto()
    """Ask for the page that begins where the list seems to end."""
    LOOK_FURTHER = auto()
    """Ask for the page after that."""
    CHECK_ORDER = auto()
    """Ask for the first page again, to see whether its rows kept their places."""
    DATE_WINDOWS = auto()
    """Paging by offset cannot be trusted: read the list by date."""
    DONE = auto()


class Repeats(NamedTuple):
    """Consecutive pages that still held the rows which their offset should have skipped."""

    pages: int = 0
    rows: int = 0


NO_REPEATS = Repeats()


@dataclass(slots=True)
class State:
    """Everything that a scan knows.

    `Machine` owns it: it alone assigns to the fields, on the thread that iterates over the scan;
    the threads that fetch never see them. ``joins`` and ``end_of_list`` read and return values.
    """

    limit: int
    max_overlap: int
    trust_total: bool  # False: look behind the end whatever the total says

    # What is going on.
    phase: Phase = Phase.FIRST_PAGE
    asked: int = 0  # offset of the page that is expected now
    unwritten: list[Row] = field(default_factory=list)  # to emit if the scan fails at this page

    # The accepted pages.
    recent: RecentPages = field(default_factory=RecentPages)
    first: Page | None = None  # the first response
    top: list[Row] = field(default_factory=list)  # rows of the page accepted last at offset 0
    last: list[Row] = field(default_factory=list)  # rows of the page accepted last
    offset: int = 0  # where that page began
    end: int = 0  # where it ended
    total: int | None = None  # what it gave as total
    accepted: int = 0  # number of accepted pages
    rows: int = 0  # different rows so far, as far as `recent` can tell
    longest: int = 0  # rows of the longest page: the server's cap, if that is below the limit
    furthest: int = 0  # greatest `end` so far

    # Progress (PROOF 5): what bounds the scan.
    back: int = 1  # how many overlaps the last request stepped back
    restarts: int = 0  # how often it stepped back to offset 0
    idle: int = 0  # requests since the last new row
    has_stepped_back: bool = False  # then some rows may have been counted twice

    # Evidence about the end of the list (PROOF 7 and 8).
    evidence: int = 0  # weight of the pages that looked like the end
    repeats: Repeats = NO_REPEATS
    is_uneven: bool = False  # a page inside the list was shorter than the longest
    is_cut: bool = False  # a page inside the list was shorter than the limit
    total_changed: bool = False
    total_is_whole: bool = False  # it was seen to count rows beyond its page, perhaps elsewhere
    near: list[Row] = field(default_factory=list)  # rows found by LOOK_BEHIND_END
    false_ends: int = 0  # false ends in a row without a new row between them

    # Evidence about the order (PROOF 6).
    order_odds: int = 1  # against the anchors' sequence being chance
    rereads: int = 0  # of the first page

    @property
    def believes_total(self) -> bool:
        """Whether a total that agrees with the pages may end the scan (PROOF 7)."""
        # No server caps its pages at nothing, so an empty list needs no more evidence.
        return self.trust_total and (self.total_is_whole or self.total == 0)

    @property
    def overlap(self) -> int:
        """How many rows consecutive pages share."""
        return min(self.max_overlap, max(MIN_SHARED, self.longest // 2))

    @property
    def stride(self) -> int:
        """How many new rows a page can add."""
        return max(1, self.longest - self.overlap)

    @property
    def reach(self) -> int:
        """How many rows a page can hold; a page asked for that much further on leaves no gap."""
        return self.longest or self.limit

    @property
    def can_overlap(self) -> bool:
        """Whether the last page can share two rows with the next, and leave room for new ones."""
        return len(self.last) > MIN_SHARED

    @property
    def forward_offset(self) -> int:
        """Where the next page begins."""
        return max(0, self.end - self.overlap) if self.can_overlap else self.end
