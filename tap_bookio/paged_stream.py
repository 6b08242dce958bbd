"""Lists that change while they are read: an anchored scan for each facility."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE

from bookio_api.contract import OPERATIONS
from bookio_api.errors import BookioError
from bookio_api.localtime import to_epoch_ms
from bookio_api.scan import Scan, limit_of
from tap_bookio.bookio_stream import BookioStream
from tap_bookio.bookmark import (
    REPLICATION_KEY,
    TOLERATED_SKEW_MS,
    Bookmark,
    Filters,
    Question,
    skew_ms,
)
from tap_bookio.deletion_guard import doubts, note_count, rows_before
from tap_bookio.scan_log import ScanReport, rfc3339
from tap_bookio.settings import finds_deletions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk import Tap

    from bookio_api.facilities import Facility
    from bookio_api.scan.pages import Page
    from bookio_singer.sdk import BaseBatchFileEncoding, BatchConfig
    from tap_bookio.bookio_stream import Row
    from tap_bookio.run import Run

    Context = Mapping[str, Any] | None
    Batches = Iterable[tuple[BaseBatchFileEncoding, list[str]]]


MAX_STATES = 50
"""STATE messages while one stream is read. Each holds the bookmarks of all facilities, so one for
each facility would cost the square of their number; a crash costs a fiftieth of the stream."""


class Scanned(NamedTuple):
    """A list that was read to its end."""

    facility: int | None
    bookmark: Bookmark
    rows: int
    listed: int | None
    """How many rows Bookio lists in all, where that is known."""


class PagedStream(BookioStream):
    """One of the two lists that take ``offset`` and ``lastSync``.

    No answer to ``lastSync`` shows that a row is no longer listed. Where ``detect_deletions`` asks
    for it, the whole list is read, and an ACTIVATE_VERSION after it lets a loader drop what did
    not come.
    """

    replication_key = REPLICATION_KEY
    is_timestamp_replication_key = False

    def __init__(self, tap: Tap, run: Run) -> None:
        """Read from the settings which rows to request."""
        super().__init__(tap, run)
        days = (self._day("from"), self._day("to"))
        query = zip(self.resource.date_filters or (), days, strict=True)
        self._range = {name: day for name, day in query if day}
        self._finds_deletions = finds_deletions(self.config, self.name)
        self._asked: dict[int | None, Question] = {}
        """Requests sent ahead, by facility."""
        self._scanned: list[Scanned] = []
        """Lists that were read completely, but whose bookmarks have not moved yet."""
        self._moved_since_state = 0
        """How many bookmarks have moved and are in no STATE yet."""

    @property
    def partitions(self) -> list[dict[str, Any]] | None:
        """A partition for each facility, or none if the token may not list them."""
        ids = [facility.id for facility in self.run.facilities.in_scope]
        return None if ids == [None] else [{"facilityId": key} for key in ids]

    @property
    def replication_method(self) -> str:
        """Full table if deletions are detected, or if a catalog asks for it."""
        return REPLICATION_FULL_TABLE if self._finds_deletions else super().replication_method

    def compare_start_date(self, value: str, start_date_value: str) -> str:  # noqa: ARG002
        """Prefer a bookmark to ``start_date``."""
        return value

    def before_records(self) -> None:
        """Set the records' version, which is activated after all of them."""
        super().before_records()
        if self._finds_deletions:
            self.record_version = self.run.started_ms
        self._note_lost_facilities()

    def get_pages(self, context: Context) -> Iterator[list[Row]]:
        """Scan one facility; its bookmark moves if the scan is COMPLETE."""
        facility = self.run.facilities[context["facilityId"] if context else None]
        if not self.run.problems.gave_up(self.name, facility.id):
            with self.run.problems.noted(self.name, facility.id):
                yield from self._scan(facility)
        if self.is_writing:
            self.settle()

    def get_batches(self, batch_config: BatchConfig, context: Context = None) -> Batches:
        """Move the bookmarks only after the last BATCH, because it holds rows back."""
        yield from super().get_batches(batch_config, context)
        self.settle()

    def settle(self) -> None:
        """Move the bookmarks of what was scanned, whose records are all written."""
        if self._finds_deletions and not self._activated():
            return
        for scanned in self._scanned:
            state = self._state_of(scanned.facility)
            if warning := note_count(state, scanned.listed):
                self.logger.warning("%s, %s: %s", self.name, _named(scanned.facility), warning)
            scanned.bookmark.write(state)
            self.promote_bookmark(state)
        self._moved_since_state += len(self._scanned)
        self._scanned.clear()
        if self._moved_since_state >= len(self.run.facilities.in_scope) // MAX_STATES:
            self.write_state()
            self._moved_since_state = 0

    def _note_lost_facilities(self) -> None:
        """Let the run fail for a facility that was read before and that Bookio no longer lists.

        A shard's ``facility_ids`` are what the token sees now, so it would go without a word. Where
        all facilities are read, the list itself is the scope.
        """
        if self.config.get("facility_ids"):
            partitions = self.stream_state.get("partitions", [])
            known = [entry["context"]["facilityId"] for entry in partitions]
            self.run.problems.lost(self.run.facilities.unseen(known))

    def _activated(self) -> bool:
        """Activate the records' version if all facilities were read and no doubt remains."""
        if len(self._scanned) < len(self.run.facilities.in_scope):
            return False
        now = {scanned.facility: scanned.rows for scanned in self._scanned}
        found = list(doubts(f"bookmarks.{self.name}", rows_before(self.stream_state), now))
        for facility, doubt in found:
            self.run.problems.incomplete(self.name, facility, doubt)
        if found:
            return False
        self.stream_state.pop("rows", None)
        for facility, rows in now.items():
            self._state_of(facility)["rows"] = rows
        if any(now.values()):
            self.activate_version(self.run.started_ms)
        return True

    def _scan(self, facility: Facility) -> Iterator[list[Row]]:
        """Yield the records of one facility, and record the result of the scan."""
        name = f"{self.name}, {_named(facility.id)}"
        question, scan = self._asked_ahead(facility), None
        try:
            question = self._trusted(facility, question)
            scan = Scan(
                partial(self._ask, facility, question.last_sync),
                page_size=self.config["page_size"],
                executor=self.run.executor,
                concurrency=self.config["max_concurrency"],
                window=self._range,
                date_filters=self.resource.date_filters,
                first_page=question.page,
                trust_total=not question.is_full,
            )
            for rows in scan.pages():
                self.run.progress.show(name, scan.rows, scan.first_page.total)
                yield self.records(rows, facility)
        except BookioError as error:
            self.run.scans.append(_report(self.name, facility, question, scan, str(error)))
            raise
        reason = scan.verdict.reason
        self.run.scans.append(_report(self.name, facility, question, scan, reason))
        if scan.verdict.complete:
            bookmark = question.bookmark(scan.first_page.server_time_ms)
            listed = self._count(facility, question, scan.rows)
            self._scanned.append(Scanned(facility.id, bookmark, scan.rows, listed))
        else:
            self.run.problems.incomplete(self.name, facility.id, reason)

    def _count(self, facility: Facility, question: Question, rows: int) -> int | None:
        """Return how many rows Bookio lists in total: a drop shows that it hides or erased some.

        1. With filters a row may leave the list because its date moved, so it is not counted.
        2. A full read has counted them; so it costs nothing.
        3. Otherwise it takes one request for a single row.
        """
        if self._range or self._only_unsynced:
            return None
        if question.last_sync is None:
            return rows
        if not self.config["detect_deletions"]:
            return None
        with suppress(BookioError):  # the scan was still complete
            return self._ask(facility, None, 0, 1, {}).total
        return None

    def _trusted(self, facility: Facility, question: Question) -> Question:
        """Return the request whose time becomes the bookmark, once it is answered.

        If the server's clock went back behind the last request, ``lastSync`` proves nothing:
        then the facility is read in full.
        """
        now = question.page.result().server_time_ms
        self.run.warn_of_skew(skew_ms(now))
        before = question.bookmark_before
        if before and now is not None and now < before.question_ms - TOLERATED_SKEW_MS:
            self.logger.warning("Bookio's clock went back: reading %s in full", _named(facility.id))
            question = self._ask_first(facility, None)
        since = question.last_sync
        what = "all rows" if since is None else f"rows changed since {rfc3339(since)}"
        self.logger.info("%s, %s: reading %s", self.name, _named(facility.id), what)
        return question

    def _asked_ahead(self, facility: Facility) -> Question:
        """Request a facility, and the next ones ahead, because most have few rows."""
        scope = self.run.facilities.in_scope
        here = scope.index(facility)
        for near in scope[here : here + self.config["max_concurrency"]]:
            if near.id not in self._asked:
                self._asked[near.id] = self._ask_first(near, self._bookmark(near))
        return self._asked.pop(facility.id)

    def _bookmark(self, facility: Facility) -> Bookmark | None:
        """Return the bookmark to continue from; None reads the facility in full.

        1. A full table has none.
        2. A first run has none, and neither has one that asks for rows which earlier runs left out.
        3. An older version's state does not record what was left out: it is assumed to be nothing.
        """
        if self.replication_method == REPLICATION_FULL_TABLE:
            return None
        bookmark = Bookmark.of(self._state_of(facility.id))
        if bookmark is None or bookmark.filters is None:
            return bookmark
        wider = self._filters(facility).wider_than(bookmark.filters)
        if not wider:
            return bookmark
        shared = {"only_unsynced", "start_date"}
        names = [name if name in shared else f"{self.name}_{name}" for name in wider]
        self.logger.warning(
            "%s, %s: reading it in full, because %s now allows rows that earlier runs left out",
            self.name, _named(facility.id), " and ".join(names),
        )  # fmt: skip
        return None

    def _ask_first(self, facility: Facility, bookmark: Bookmark | None) -> Question:
        filters = self._filters(facility)
        last_sync = filters.start_ms
        if bookmark is not None:
            filters = bookmark.covered_by(filters)
            last_sync = bookmark.last_sync(self.config["lookback_seconds"])
        limit = limit_of(self.config["page_size"])
        ask = partial(self._ask, facility, last_sync, 0, limit, self._range)
        return Question.put(
            last_sync, self.run.executor, ask, filters=filters, bookmark_before=bookmark
        )

    def _filters(self, facility: Facility) -> Filters:
        """Return the filters of the settings; a full table has every change from the start."""
        start_date = self.config.get("start_date")
        is_full = self.replication_method == REPLICATION_FULL_TABLE
        return Filters(
            first_day=self._day("from"),
            last_day=self._day("to"),
            only_unsynced=self._only_unsynced,
            start_ms=to_epoch_ms(start_date, facility.clock.tz)
            if start_date and not is_full
            else None,
        )

    def _day(self, end: str) -> str | None:
        day = self.config.get(f"{self.name}_{end}")
        return date.fromisoformat(day).isoformat() if day else None

    @property
    def _only_unsynced(self) -> bool:
        """Whether to leave out reservations that are synced; not every list can."""
        takes = OPERATIONS[self.resource.list_operation].query
        return bool(self.config["only_unsynced"]) and "onlyUnsynced" in takes

    def _ask(
        self,
        facility: Facility,
        last_sync: int | None,
        offset: int,
        limit: int,
        window: Mapping[str, str],
    ) -> Page:
        query = {"facilityId": facility.id, "offset": offset, "limit": limit, **window}
        query |= {"lastSync": last_sync, "onlyUnsynced": self._only_unsynced or None}
        return self.fetch(query)

    def _state_of(self, facility: int | None) -> dict[str, Any]:
        return self.get_context_state(None if facility is None else {"facilityId": facility})


def _named(facility: int | None) -> str:
    return "all facilities" if facility is None else f"facility {facility}"


def _report(
    stream: str, facility: Facility, question: Question, scan: Scan | None, reason: str
) -> ScanReport:
    """Return the log entry of a scan; without one if its first request failed."""
    page = None if question.page.exception() else question.page.result()
    return ScanReport(
        stream=stream,
        facility=facility.id,
        asked_ms=question.moment_ms(page.server_time_ms if page else None),
        started_ms=question.asked_ms,
        last_sync=question.last_sync,
        complete=scan is not None and scan.verdict.complete,
        reason=reason,
        rows=scan.rows if scan else 0,
        requests=scan.requests if scan else 1,
        seconds=question.seconds(),
    )
