"""What a scan is made of: pages, the memory of accepted ones, and the requests in flight."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import wait
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.latency import Latency

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

MOST_SHOWN = 10**9
MOST_REMEMBERED = 20_000
"""Rows; ten times what 20 pages of the greatest limit hold."""

Row = dict[str, Any]
"""A decoded JSON object with an integer ``id``. Two rows that compare equal are unchanged."""


class Page(NamedTuple):
    """One response of a list operation."""

    rows: list[Row]
    total: int | None = None
    """``data.pagination.total`` where the server gives one; it is checked, never believed."""
    server_time_ms: int | None = None
    """The response's ``Date`` in epoch milliseconds."""


Fetch = Callable[[int, int, Mapping[str, str]], Page]
"""``fetch(offset, limit, window)``; the window holds the stream's date filters, or nothing."""


class Verdict(NamedTuple):
    """Whether every row that stood still was seen, and if not, one clause that says why."""

    complete: bool
    reason: str = ""


class UnreliableError(Exception):
    """The list cannot be paged through safely; the message is the verdict's reason."""

    def __init__(self, reason: str, *, windows_help: bool = False) -> None:
        """Say why, and whether date windows could still read the list."""
        super().__init__(reason)
        self.windows_help = windows_help


def shown(total: int) -> str:
    """Return a total for a message; a number that counts no rows may be anyone's phone."""
    return str(total) if 0 <= total < MOST_SHOWN else "beyond belief"


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


class Prefetch:
    """Fetches pages, some of them ahead of being asked for; the caller reads them in order."""

    def __init__(
        self,
        fetch: Callable[[int], Page],
        executor: Executor | None,
        concurrency: int,
        first_page: Future[Page] | None = None,
    ) -> None:
        """Take ``fetch(offset)``, and the first page if it is already on its way."""
        self._latency = Latency()
        self._fetch: Callable[[int], Page] = partial(self._latency.of, fetch)
        self._executor = executor
        self._concurrency = concurrency
        self._ahead: deque[tuple[int, Future[Page]]] = deque()
        self._stray: set[Future[Page]] = set()
        self.requests = 0
        if first_page is not None:
            self._ahead.append((0, first_page))
            self.requests = 1

    def take(self, offset: int) -> Page:
        """Return the page at this offset, fetched ahead or now."""
        if self._ahead and self._ahead[0][0] == offset:
            return self._ahead.popleft()[1].result()
        self.discard()
        self.requests += 1
        return self._fetch(offset)

    def plan(self, offset: int, stride: int, until: int | None, ramp: int) -> None:
        """Fetch ahead from this offset on.

        With ``until`` (rows) nothing beyond it is asked for; without, no more than ``ramp`` pages.
        """
        if self._executor is None:
            return
        if self._ahead and self._ahead[0][0] != offset:
            self.discard()
        depth = self._latency.useful(self._concurrency)
        depth = depth if until is not None else min(depth, ramp)
        following = self._ahead[-1][0] + stride if self._ahead else offset
        while len(self._ahead) < depth:
            if following != offset and until is not None and following >= until:
                break
            self._ahead.append((following, self._executor.submit(self._fetch, following)))
            self.requests += 1
            following += stride

    def discard(self) -> None:
        """Forget what was fetched ahead."""
        for _, future in self._ahead:
            if future.cancel():
                self.requests -= 1
            else:
                self._stray.add(future)
        self._ahead.clear()

    def close(self) -> None:
        """Cancel what has not started and wait for what has."""
        self.discard()
        wait(self._stray)
        self._stray.clear()
