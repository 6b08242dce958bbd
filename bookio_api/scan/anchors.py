"""The anchors of a page: rows that it shares, unchanged, with pages accepted before it."""

from __future__ import annotations

from collections import deque
from itertools import chain, pairwise
from typing import TYPE_CHECKING, NamedTuple

from bookio_api.scan.pages import UnreliableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_api.scan.pages import Row

MAX_PAGES = 20
MAX_ROWS = 20_000
"""Ten times what `MAX_PAGES` pages of the greatest limit hold."""


class Match(NamedTuple):
    """How a page relates to the remembered ones."""

    anchors: set[int]
    """Ids of its rows that were accepted before and have not changed."""
    fresh: list[Row]
    """Its other rows: new ones, and new versions of known ones."""
    unseen: int
    """How many of the fresh rows have an id that is not remembered."""
    in_order: int
    """How many anchors it shares with a single remembered page, in the same order."""
    is_linked: bool
    """Whether two anchors were neighbours and still are (PROOF 4)."""


class RecentPages:
    """The pages accepted last: so many that steps back find anchors, so few that memory is bounded.

    Owned by the scan's state and changed by `add` alone, on the thread that iterates.
    """

    def __init__(self, max_pages: int = MAX_PAGES, max_rows: int = MAX_ROWS) -> None:
        """Remember at most so many pages and rows, but always the last page."""
        self._pages: deque[dict[int, Row]] = deque(maxlen=max_pages)
        self._max_rows = max_rows

    def __len__(self) -> int:
        """How many rows are remembered, with those on two pages counted twice."""
        return sum(map(len, self._pages))

    def rows(self) -> Iterator[Row]:
        """Return the remembered rows; those on two pages come twice."""
        return chain.from_iterable(page.values() for page in self._pages)

    def add(self, page: dict[int, Row]) -> None:
        """Remember an accepted page: its rows by id, in list order."""
        self._pages.append(page)
        while len(self._pages) > 1 and len(self) > self._max_rows:
            self._pages.popleft()

    def match(self, page: dict[int, Row]) -> Match:
        """Compare a page with every remembered one, the last one first.

        Raises:
            UnreliableError: two unchanged rows changed places, which contradicts A2.
        """
        anchors: set[int] = set()
        known_ids: set[int] = set()
        in_order = 0
        is_linked = False
        neighbours = set(pairwise(page))
        for known in reversed(self._pages):
            # A row that changed has a known id, but is no anchor: it may have moved.
            known_ids.update(key for key in page if key in known)
            common = [key for key, row in page.items() if known.get(key) == row]
            if not common:
                continue
            shared = set(common)
            # PROOF 6: a deterministic order lists unchanged rows in the same sequence every time.
            if common != [key for key in known if key in shared]:
                msg = "the order of the list is not stable: unchanged rows changed places"
                raise UnreliableError(msg, dates_help=True)
            anchors |= shared
            in_order = max(in_order, len(shared))
            # PROOF 4: both were neighbours on the remembered page and are on this one.
            is_linked = is_linked or any(
                shared.issuperset(pair) for pair in pairwise(known) if pair in neighbours
            )
        fresh = [row for key, row in page.items() if key not in anchors]
        return Match(anchors, fresh, len(page) - len(known_ids), in_order, is_linked)
