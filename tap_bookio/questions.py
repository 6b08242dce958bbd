"""What to ask Bookio of each facility: which rows, since when, and ahead of their turn.

The first request of a scan is its *question*: the time at which it was asked becomes the bookmark.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from datetime import date
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.contract import RESOURCES
from bookio_api.errors import BookioError
from bookio_api.localtime import OffsetClock, to_epoch_ms, zone
from bookio_api.scan import limit_of
from tap_bookio.bookmark import Bookmark, Filters
from tap_bookio.run import TOLERATED_SKEW_MS
from tap_bookio.scan_log import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor, Future

    from bookio_api.facilities import Facility
    from bookio_api.scan.pages import Page
    from tap_bookio.run import Run

CLOCK_RESOLUTION_MS = 1000
"""A ``Date`` header has whole seconds."""

logger = logging.getLogger("tap-bookio")


class Question(NamedTuple):
    """The first request of a scan."""

    last_sync: int | None
    page: Future[Page]
    asked_ms: int
    """Our clock, in case the server sends no ``Date``."""
    started: float
    """Seconds of ``time.monotonic``."""
    filters: Filters
    """The filters that all rows read so far have passed, after this scan."""
    bookmark_before: Bookmark | None
    """The bookmark that it continues from."""

    @classmethod
    def put(
        cls,
        last_sync: int | None,
        executor: Executor,
        ask: Callable[[], Page],
        *,
        filters: Filters,
        bookmark_before: Bookmark | None,
    ) -> Question:
        """Send the request on a thread of the executor."""
        asked_ms, started = int(time.time() * 1000), time.monotonic()
        page = executor.submit(ask)
        return cls(last_sync, page, asked_ms, started, filters, bookmark_before)

    @property
    def is_full(self) -> bool:
        """Whether it has no bookmark: a row missed now would never come, or seem deleted."""
        return self.bookmark_before is None

    def moment_ms(self, server_time_ms: int | None) -> int:
        """Return when it was sent, by the server's clock if the response has it, or by ours."""
        return self.asked_ms if server_time_ms is None else server_time_ms

    def seconds(self) -> float:
        """Return how long ago it was sent."""
        return time.monotonic() - self.started

    def bookmark(self, server_time_ms: int | None, facility: Facility) -> Bookmark:
        """Return the bookmark of a scan that ends now, with the time of its first response."""
        moment = self.moment_ms(server_time_ms)
        return Bookmark(
            moment - CLOCK_RESOLUTION_MS,
            int(self.seconds() * 1000),
            self.filters,
            facility.clock.tz.key,
            is_zone_known=facility.is_zone_known,
        )


class Questions:
    """The questions of one stream. Used by the run's thread alone."""

    def __init__(
        self,
        stream: str,
        settings: Mapping[str, Any],
        run: Run,
        *,
        bookmark_of: Callable[[Facility], Bookmark | None],
        is_full_table: bool,
    ) -> None:
        """Take the stream's name, and a function that reads a facility's bookmark from the state.

        A full table continues from no bookmark, and has every change from the start.
        """
        self._stream = stream
        self._settings = settings
        self._run = run
        self._resource = RESOURCES[stream]
        self._bookmark_of = bookmark_of
        self._is_full_table = is_full_table
        self._ahead: dict[int | None, Question] = {}
        """Questions asked before their facility's turn."""

    @cached_property
    def window(self) -> Mapping[str, str]:
        """The stream's date filters, as parameters of a request."""
        names = self._resource.date_filters or ()
        days = (self._day("from"), self._day("to"))
        return {name: day for name, day in zip(names, days, strict=True) if day}

    def next_of(self, facility: Facility) -> Question:
        """Ask a facility, and the next ones ahead, because most have few rows."""
        here = self._places[facility.id]
        scope = list(self._facilities.values())
        for near in scope[here : here + self._settings["max_concurrency"]]:
            if near.id not in self._ahead:
                self._ahead[near.id] = self._first(near, self._continued_from(near))
        return self._ahead.pop(facility.id)

    def trusted(self, facility: Facility, question: Question) -> Question:
        """Return the question whose time becomes the bookmark, once it is answered.

        If the server's clock went back behind the last one, ``lastSync`` proves nothing: then the
        facility is read in full.

        Raises:
            BookioError: the request failed.
        """
        server_time_ms = question.page.result().server_time_ms
        self._run.warn_of_skew(server_time_ms)
        now = question.moment_ms(server_time_ms)
        before = question.bookmark_before
        # What changed while the clock repeated itself is covered by the lookback, and by no more.
        covered_ms = min(TOLERATED_SKEW_MS, self._settings["lookback_seconds"] * 1000)
        if before and now < before.question_ms - covered_ms:
            logger.warning("Bookio's clock went back: reading %s in full", named(facility.id))
            question = self._first(facility, None)
        since = question.last_sync
        what = "all rows" if since is None else f"rows changed since {rfc3339(since)}"
        logger.info("%s, %s: reading %s", self._stream, named(facility.id), what)
        return question

    def page(
        self,
        facility: Facility,
        last_sync: int | None,
        offset: int,
        limit: int,
        window: Mapping[str, str],
    ) -> Page:
        """Request one page of a facility's rows."""
        query = {"facilityId": facility.id, "offset": offset, "limit": limit, **window}
        query |= {"lastSync": last_sync, "onlyUnsynced": self._only_unsynced or None}
        return self._run.client.list_page(self._resource.list_operation, query)

    def count(self, facility: Facility, question: Question, rows: int) -> int | None:
        """Return how many rows Bookio lists in total: a drop shows that it hides or erased some.

        1. With filters a row may leave the list because its date moved, so it is not counted.
        2. A full read has counted them; so it costs nothing.
        3. Otherwise it takes one request for a single row.
        """
        if self.window or self._only_unsynced:
            return None
        if question.last_sync is None:
            return rows
        if not self._settings["detect_deletions"]:
            return None
        with suppress(BookioError):  # the scan was still complete
            return self.page(facility, None, 0, 1, {}).total
        return None

    def facility(self, facility_id: int | None) -> Facility:
        """Return a facility in scope, in the time zone that its rows have had so far."""
        return self._facilities[facility_id]

    @cached_property
    def _facilities(self) -> dict[int | None, Facility]:
        """The facilities in scope, in the order of reading."""
        return {each.id: self._in_known_zone(each) for each in self._run.facilities.in_scope}

    def _in_known_zone(self, facility: Facility) -> Facility:
        """Return a facility whose zone Bookio does not name now in the one that it named before."""
        bookmark = None if facility.is_zone_known else self._bookmark_of(facility)
        if bookmark is None or not bookmark.is_zone_known or bookmark.time_zone is None:
            return facility
        known = zone(bookmark.time_zone)
        logger.warning(
            "%s, %s: Bookio does not name its time zone any more; continuing with %s",
            self._stream,
            named(facility.id),
            known.key,
        )
        return facility._replace(clock=OffsetClock(known), is_zone_known=True)

    @cached_property
    def _places(self) -> dict[int | None, int]:
        """Where each facility stands in the order of reading."""
        return {facility_id: place for place, facility_id in enumerate(self._facilities)}

    def _first(self, facility: Facility, bookmark: Bookmark | None) -> Question:
        """Ask for the first page of rows changed since a bookmark, or of all rows."""
        # What is left out goes into the next bookmark: a later run that asks for more must know.
        filters = self._filters(facility)
        last_sync = filters.start_ms
        if bookmark is not None:
            filters = bookmark.covered_by(filters)
            last_sync = bookmark.last_sync(self._settings["lookback_seconds"])
        limit = limit_of(self._settings["page_size"])
        ask = partial(self.page, facility, last_sync, 0, limit, self.window)
        return Question.put(
            last_sync, self._run.executor, ask, filters=filters, bookmark_before=bookmark
        )

    def _continued_from(self, facility: Facility) -> Bookmark | None:
        """Return the bookmark to continue from; None reads the facility in full.

        1. A full table has none.
        2. A first run has none, and neither has one that asks for rows which earlier runs left out,
           or whose rows have had the offsets of another time zone.
        3. An older version's state records neither: nothing was left out, and the zone is the same.
        """
        if self._is_full_table:
            return None
        bookmark = self._bookmark_of(facility)
        if bookmark is None or bookmark.filters is None:
            return bookmark
        if bookmark.time_zone not in {None, facility.clock.tz.key}:
            logger.warning(
                "%s, %s: reading it in full, because its time zone was %s and is %s now",
                self._stream,
                named(facility.id),
                bookmark.time_zone,
                facility.clock.tz.key,
            )
            return None
        wider = self._filters(facility).wider_than(bookmark.filters)
        if not wider:
            return bookmark
        shared = {"only_unsynced", "start_date"}
        names = (name if name in shared else f"{self._stream}_{name}" for name in wider)
        logger.warning(
            "%s, %s: reading it in full, because %s now allows rows that earlier runs left out",
            self._stream,
            named(facility.id),
            " and ".join(names),
        )
        return None

    def _filters(self, facility: Facility) -> Filters:
        """Return the filters that the settings put on a facility's rows."""
        start_date = None if self._is_full_table else self._settings.get("start_date")
        return Filters(
            first_day=self._day("from"),
            last_day=self._day("to"),
            only_unsynced=self._only_unsynced,
            start_ms=to_epoch_ms(start_date, facility.clock.tz) if start_date else None,
        )

    def _day(self, end: str) -> str | None:
        day = self._settings.get(f"{self._stream}_{end}")
        return date.fromisoformat(day).isoformat() if day else None

    @property
    def _only_unsynced(self) -> bool:
        """Whether to leave out reservations that are synced; not every list can."""
        is_asked_for = bool(self._settings["only_unsynced"])
        return is_asked_for and self._resource.is_filtered_by("onlyUnsynced")


def named(facility: int | None) -> str:
    """Return how messages name a facility."""
    return "all facilities" if facility is None else f"facility {facility}"
