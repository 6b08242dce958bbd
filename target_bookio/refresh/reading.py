"""Reads one of Bookio's lists page by page, in full or by ``lastSync``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bookio_api.contract import OPERATIONS, RESOURCES
from bookio_api.facilities import rows_lacking
from bookio_api.scan import Scan
from target_bookio.refresh.server_clock import DATE_RESOLUTION_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Executor

    from bookio_api.client import BookioClient
    from bookio_api.scan.pages import Page
    from target_bookio.refresh.server_clock import ServerClock


class Lists:
    """Bookio's lists; the executor's threads fetch pages ahead."""

    def __init__(
        self, client: BookioClient, clock: ServerClock, executor: Executor, concurrency: int
    ) -> None:
        """Take the client, the clock that records each list's time, and the threads."""
        self._client = client
        self._clock = clock
        self._executor = executor
        self._concurrency = concurrency
        self._whole_totals: set[str] = set()
        """Lists whose totals count the list, and not the page; `note_whole_total` adds to it."""

    def read(self, stream: str, facility_id: int | None, **query: int) -> Reading:
        """Return a reading of a facility's list; it begins when it is iterated."""
        return Reading(self, stream, {"facilityId": facility_id, **query})

    def page(self, operation: str, query: Mapping[str, Any]) -> Page:
        """Request a page. Also called by the threads of the executor."""
        page = self._client.list_page(operation, query)
        # At once: a page that was fetched ahead may be read much later, and then the clock would
        # seem to have gone back.
        self._clock.hear(page.server_time_ms)
        return page

    def scan(self, stream: str, query: Mapping[str, Any]) -> Scan:
        """Return a scan of a list, with pages fetched ahead."""
        resource = RESOURCES[stream]

        def fetch(offset: int, limit: int, window: Mapping[str, str]) -> Page:
            asked = {**query, "offset": offset, "limit": limit, **window}
            return self.page(resource.list_operation, asked)

        return Scan(
            fetch,
            executor=self._executor,
            concurrency=self._concurrency,
            date_filters=resource.date_filters,
            total_is_whole=stream in self._whole_totals,
        )

    def note_whole_total(self, stream: str) -> None:
        """Record that a scan has seen a total that counts the list, and not the page."""
        self._whole_totals.add(stream)


class Reading:
    """One reading of one list: iterate once, then check whether it was complete."""

    def __init__(self, lists: Lists, stream: str, query: Mapping[str, Any]) -> None:
        """Take what to read."""
        self._lists = lists
        self._stream = stream
        self._query = query
        self._first: Page | None = None
        self.is_complete = False
        """Whether all rows were read. Set at the end of the iteration."""

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows, page by page."""
        operation = OPERATIONS[RESOURCES[self._stream].list_operation]
        if not operation.paged:
            self._first = self._lists.page(operation.name, self._query)
            yield self._first.rows
            self.is_complete = rows_lacking(self._first) is None
        else:
            scan = self._lists.scan(self._stream, self._query)
            for page in scan.pages():
                self._first = self._first or scan.first_page
                yield page
            self._first = self._first or scan.first_page
            if scan.total_is_whole:
                self._lists.note_whole_total(self._stream)
            self.is_complete = scan.verdict.complete

    def asked_at(self, started: int) -> int:
        """Return the bookmark: Bookio's time at the first request, or a little earlier."""
        # The earlier of two estimates: our clock before the request, and the first page's Date,
        # which has whole seconds.
        date = self._first.server_time_ms if self._first else None
        return started if date is None else min(started, date - DATE_RESOLUTION_MS)
