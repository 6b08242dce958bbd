"""Which rows of a page anchor it to the pages accepted before it."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from bookio_api.scan.pages import UnreliableError

if TYPE_CHECKING:
    from bookio_api.scan.pages import Row

MOST_REMEMBERED = 20_000
"""Rows; ten times what 20 pages of the greatest limit hold."""


class Match(NamedTuple):
    """How a page relates to the pages accepted before it."""

    anchors: set[int]
    """Ids of its rows that were accepted before and have not changed."""
    fresh: list[Row]
    """Its other rows: new ones, and new versions of known ones."""
    unseen: int
    """How many of the fresh rows have an id that is not remembered."""
    in_order: int
    """How many unchanged rows it shares, in the same order, with one remembered page."""
    linked: bool
    """Two of them were neighbours and still are.

    Rows that moved together with an invisible change would be false anchors, but not neighbours.
    """


class Recent:
    """The last accepted pages, so that memory does not grow with the list."""

    def __init__(self, date_field: str, pages: int = 20) -> None:
        """Remember this many pages."""
        self._date_field = date_field
        self._pages: deque[dict[int, Row]] = deque(maxlen=pages)

    def add(self, page: dict[int, Row]) -> None:
        """Remember an accepted page, given by id in list order; fewer, if they are huge."""
        self._pages.append(page)
        while len(self._pages) > 1 and sum(map(len, self._pages)) > MOST_REMEMBERED:
            self._pages.popleft()

    def match(self, page: dict[int, Row]) -> Match:
        """Compare a page with every remembered one.

        Raises:
            UnreliableError: two unchanged rows changed places, which no deterministic order does.
        """
        anchors: set[int] = set()
        known_ids: set[int] = set()
        in_order = 0
        linked = False
        neighbours = set(pairwise(page))
        for known in reversed(self._pages):
            common = [key for key, row in page.items() if known.get(key) == row]
            known_ids.update(key for key in page if key in known)
            if not common:
                continue
            shared = set(common)
            if common != [key for key in known if key in shared]:
                msg = "the order of the list is not stable: unchanged rows changed places"
                raise UnreliableError(msg, windows_help=True)
            anchors |= shared
            in_order = max(in_order, len(shared))
            linked = linked or any(
                shared.issuperset(pair) for pair in pairwise(known) if pair in neighbours
            )
        fresh = [row for key, row in page.items() if key not in anchors]
        return Match(anchors, fresh, len(page) - len(known_ids), in_order, linked)

    def check_dates(self) -> None:
        """Raise UnreliableError for a row without a date, which no bounded date window holds."""
        if any(not row.get(self._date_field) for page in self._pages for row in page.values()):
            msg = f"rows without {self._date_field} are in no date window"
            raise UnreliableError(msg)
