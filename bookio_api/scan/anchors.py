"""The anchors of a page: rows that it shares, unchanged, with pages accepted before it."""

from __future__ import annotations

from collections import deque
from itertools import chain, pairwise
from typing import TYPE_CHECKING, NamedTuple

from bookio_api.scan.pages import UnreliableError, rows_by_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bookio_api.scan.pages import Row

MAX_PAGES = 20
MAX_ROWS = 20_000
"""Ten times the rows of `MAX_PAGES` pages of maximum size."""


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


class KnownPage:
    """An accepted page: its rows by id, in list order, or the means to decode them again.

    In a calm list old pages are not used again (PROOF 9), and decoded rows take several times the
    memory of their JSON: twenty decoded pages would fill a CPU's cache.
    """

    def __init__(self, by_id: dict[int, Row], reread: Callable[[], list[Row]] | None) -> None:
        """Keep the rows until they are released, or permanently if they cannot be read again."""
        self._by_id: dict[int, Row] | None = by_id
        self._reread = reread
        self._length = len(by_id)

    def __len__(self) -> int:
        """How many rows it has."""
        return self._length

    @property
    def by_id(self) -> dict[int, Row]:
        """Its rows; once read again they stay, because later pages are compared with them too."""
        if self._by_id is None:
            assert self._reread, "only a page that can be read again is released"
            self._by_id = rows_by_id(self._reread())
        return self._by_id

    def release(self) -> None:
        """Drop the rows if they can be read again."""
        if self._reread:
            self._by_id = None


class RecentPages:
    """The pages accepted last: enough to find anchors on a step back, few enough for memory.

    Owned by the scan's state and changed by `add` alone, on the thread that iterates.
    """

    def __init__(self, max_pages: int = MAX_PAGES, max_rows: int = MAX_ROWS) -> None:
        """Limit how many pages and rows are remembered; the last page always is."""
        self._pages: deque[KnownPage] = deque(maxlen=max_pages)
        self._max_rows = max_rows

    def __len__(self) -> int:
        """How many rows are remembered, with those on two pages counted twice."""
        return sum(map(len, self._pages))

    def rows(self) -> Iterator[Row]:
        """Return the remembered rows; those on two pages come twice."""
        return chain.from_iterable(page.by_id.values() for page in self._pages)

    def add(self, by_id: dict[int, Row], reread: Callable[[], list[Row]] | None = None) -> None:
        """Remember an accepted page, and release the rows of the one before it."""
        if self._pages:
            self._pages[-1].release()
        self._pages.append(KnownPage(by_id, reread))
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
        for known in [page.by_id for page in reversed(self._pages)]:
            # A changed row has a known id but is not an anchor: it may have moved.
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
