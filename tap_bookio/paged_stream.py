"""Lists that change while they are read: an anchored scan for each facility."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE

from bookio_api.errors import BookioError, PermissionDeniedError
from bookio_api.scan import Scan
from tap_bookio.bookio_stream import BookioStream
from tap_bookio.bookmark import REPLICATION_KEY, Bookmark
from tap_bookio.deletion_guard import doubts, note_count, rows_before
from tap_bookio.questions import Questions, named
from tap_bookio.scan_log import ScanReport
from tap_bookio.settings import finds_deletions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk import Tap

    from bookio_api.facilities import Facility
    from bookio_singer.sdk import BaseBatchFileEncoding, BatchConfig
    from tap_bookio.bookio_stream import Row
    from tap_bookio.questions import Question
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
        """Read from the settings whether to look for deletions."""
        super().__init__(tap, run)
        self._finds_deletions = finds_deletions(self.config, self.name)
        self._scanned: list[Scanned] = []
        """Lists that were read completely, but whose bookmarks have not moved yet."""
        self._moved_since_state = 0
        """How many bookmarks have moved and are in no STATE yet."""
        self._total_is_whole = False
        """Whether a scan has seen that Bookio's totals count the list, and not the page."""

    @cached_property
    def questions(self) -> Questions:
        """What to ask; made at the first record, when the SDK has applied the user's catalog."""
        return Questions(
            self.name,
            self.config,
            self.run,
            bookmark_of=lambda facility: Bookmark.of(self._state_of(facility.id)),
            is_full_table=self.replication_method == REPLICATION_FULL_TABLE,
        )

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
        facility = self.questions.facility(context["facilityId"] if context else None)
        # A failed facility keeps its bookmark, and the others are still read.
        if not self.run.problems.gave_up(self.name, facility.id):
            with self.run.problems.noted(self.name, facility.id):
                yield from self._scan(facility)
        # The SDK has written the last page when it asks for the next one, so all records are out.
        # A BATCH holds them back: then `get_batches` moves the bookmarks.
        if self.is_writing:
            self.move_bookmarks()

    def get_batches(self, batch_config: BatchConfig, context: Context = None) -> Batches:
        """Move the bookmarks only after the last BATCH, because it holds rows back."""
        yield from super().get_batches(batch_config, context)
        self.move_bookmarks()

    def move_bookmarks(self) -> None:
        """Move the bookmarks of what was scanned, because all its records are written."""
        # Without the activation a loader keeps removed rows, so the next run must read all again.
        if self._finds_deletions and not self._activated():
            return
        for scanned in self._scanned:
            state = self._state_of(scanned.facility)
            warning = note_count(state, scanned.listed)
            if warning and not self._finds_deletions:  # otherwise the activation dropped them
                self.logger.warning("%s, %s: %s", self.name, named(scanned.facility), warning)
            scanned.bookmark.write(state)
            self.promote_bookmark(state)
        self._moved_since_state += len(self._scanned)
        self._scanned.clear()
        if self._moved_since_state >= len(self.run.facilities.in_scope) // MAX_STATES:
            self.write_state()
            self._moved_since_state = 0

    def _note_lost_facilities(self) -> None:
        """Let the run fail for facilities that were read before and are out of sight now.

        Raises:
            PermissionDeniedError: the token may no longer list facilities.
        """
        partitions = self.stream_state.get("partitions", [])
        known = [entry["context"]["facilityId"] for entry in partitions]
        # 1. All rows would be read as those of one facility, with offsets of default_timezone.
        if known and self.partitions is None:
            msg = (
                f"{self.name}: the token may not list facilities any more, but the state has "
                "bookmarks of them; ask Bookio for the permission, set facility_ids, or run once "
                "without --state to read everything in default_timezone"
            )
            raise PermissionDeniedError(msg)
        # 2. A shard's ``facility_ids`` are what the token sees now, so a lost one would go without
        #    a word. Where all facilities are read, the list itself is the scope.
        if self.config.get("facility_ids"):
            self.run.problems.lost(self.run.facilities.unseen(known))

    def _activated(self) -> bool:
        """Activate the records' version if all facilities were read and no doubt remains."""
        # 1. A facility is still to come, or failed: its rows do not have this version.
        if len(self._scanned) < len(self.run.facilities.in_scope):
            return False
        # 2. Too many rows vanished to believe it: nothing is deleted, and the run fails.
        now = {scanned.facility: scanned.rows for scanned in self._scanned}
        found = list(doubts(f"bookmarks.{self.name}", rows_before(self.stream_state), now))
        for facility, doubt in found:
            self.run.problems.incomplete(self.name, facility, doubt)
        if found:
            return False
        # 3. The version is activated, and the counts are kept for the next run's doubts.
        self.stream_state.pop("rows", None)
        for facility, rows in now.items():
            self._state_of(facility)["rows"] = rows
        if any(now.values()):  # without rows there is no version that a loader could know
            self.activate_version(self.run.started_ms)
        return True

    def _scan(self, facility: Facility) -> Iterator[list[Row]]:
        """Yield the records of one facility, and record the result of the scan."""
        name = f"{self.name}, {named(facility.id)}"
        question, scan = self.questions.next_of(facility), None
        try:
            question = self.questions.trusted(facility, question)
            scan = Scan(
                partial(self.questions.page, facility, question.last_sync),
                page_size=self.config["page_size"],
                executor=self.run.executor,
                concurrency=self.config["max_concurrency"],
                window=self.questions.window,
                date_filters=self.resource.date_filters,
                first_page=question.page,
                trust_total=not question.is_full,
                total_is_whole=self._total_is_whole,
            )
            for rows in scan.pages():
                self.run.progress.show(name, scan.rows, scan.first_page.total)
                yield self.records(rows, facility)
        except BookioError as error:
            self.run.note_scan(_report(self.name, facility, question, scan, str(error)))
            raise
        self._total_is_whole = scan.total_is_whole
        reason = scan.verdict.reason
        self.run.note_scan(_report(self.name, facility, question, scan, reason))
        if scan.verdict.complete:
            bookmark = question.bookmark(scan.first_page.server_time_ms, facility)
            listed = self.questions.count(facility, question, scan.rows)
            self._scanned.append(Scanned(facility.id, bookmark, scan.rows, listed))
        else:
            self.run.problems.incomplete(self.name, facility.id, reason)

    def _state_of(self, facility: int | None) -> dict[str, Any]:
        return self.get_context_state(None if facility is None else {"facilityId": facility})


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
