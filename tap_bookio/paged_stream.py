"""Lists that change while they are read: an anchored scan for each facility."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE

from bookio_api.localtime import to_epoch_ms
from bookio_api.scan import Scan, limit_of
from tap_bookio.bookio_stream import BookioStream
from tap_bookio.bookmark import REPLICATION_KEY, TOLERATED_SKEW_MS, Bookmark, Question, skew_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from singer_sdk import Tap

    from bookio_api.facilities import Facility
    from bookio_api.localtime import OffsetClock
    from bookio_api.scan.pages import Page
    from bookio_singer.sdk import BaseBatchFileEncoding, BatchConfig
    from tap_bookio.bookio_stream import Row
    from tap_bookio.run import Run

    Context = Mapping[str, Any] | None
    Batches = Iterable[tuple[BaseBatchFileEncoding, list[str]]]


class Scanned(NamedTuple):
    """A list that was read to its end."""

    context: Context
    bookmark: Bookmark
    rows: int


class PagedStream(BookioStream):
    """One of the two lists that take ``offset`` and ``lastSync``."""

    replication_key = REPLICATION_KEY
    is_timestamp_replication_key = False
    date_filters: ClassVar[tuple[str, str]]
    """Bookio's names of the range filters (C)."""

    def __init__(self, tap: Tap, run: Run) -> None:
        """Read the range from the settings."""
        super().__init__(tap, run)
        starts, ends = (self.config.get(f"{self.name}_{end}") for end in ("from", "to"))
        days = zip(self.date_filters, (starts, ends), strict=True)
        self._range = {name: str(day) for name, day in days if day}
        self._asked: dict[int | None, Question] = {}
        """Questions asked ahead, by facility."""
        self._scanned: list[Scanned] = []
        """What was read to its end, and whose bookmark has not moved yet."""

    @property
    def partitions(self) -> list[dict[str, Any]] | None:
        """A partition for each facility, or none if the token may not list them."""
        ids = [facility.id for facility in self.run.facilities.in_scope]
        return None if ids == [None] else [{"facilityId": key} for key in ids]

    def compare_start_date(self, value: str, start_date_value: str) -> str:  # noqa: ARG002
        """Prefer a bookmark to ``start_date``."""
        return value

    def get_records(self, context: Context) -> Iterable[Row]:
        """Scan one facility; its bookmark moves if nothing can have been missed."""
        facility = self.run.facilities[context["facilityId"] if context else None]
        question = self._answered(facility)
        scan = Scan(
            partial(self._ask, facility, question.last_sync),
            page_size=self.config["page_size"],
            executor=self.run.executor,
            concurrency=self.config["max_concurrency"],
            window=self._range,
            date_filters=self.date_filters,
            first_page=question.page,
            trust_total=not question.anew,
        )
        yield from self.emit(self.records(rows, facility) for rows in scan.pages())
        if scan.verdict.complete:
            bookmark = question.bookmark(scan.first_page.server_time_ms)
            self._scanned.append(Scanned(context, bookmark, scan.rows))
        else:
            self.run.report_incomplete(self.name, facility.id, scan.verdict.reason)
        if self.is_writing:
            self.settle()

    def get_batches(self, batch_config: BatchConfig, context: Context = None) -> Batches:
        """Move the bookmarks only behind the last BATCH: until then rows are held back."""
        yield from super().get_batches(batch_config, context)
        self.settle()

    def settle(self) -> None:
        """Move the bookmarks of what was scanned, whose records are all written."""
        for context, bookmark, _ in self._scanned:
            state = self.get_context_state(context)
            bookmark.write(state)
            self.promote_bookmark(state)
        self._scanned.clear()

    def _answered(self, facility: Facility) -> Question:
        """Return the question whose time becomes the bookmark.

        If the server's clock went back behind the last question's, ``lastSync`` proves nothing:
        then the facility is read anew.
        """
        question = self._question(facility)
        now = question.page.result().server_time_ms
        self.run.warn_of_skew(skew_ms(now))
        bookmark = self._bookmark(facility)
        if bookmark and now is not None and now < bookmark.question_ms - TOLERATED_SKEW_MS:
            self.logger.warning("Bookio's clock went back: reading facility %s anew", facility.id)
            return self._ask_first(facility, None)
        return question

    def _question(self, facility: Facility) -> Question:
        """Ask about a facility, and ahead about the next ones, for most have few rows."""
        scope = self.run.facilities.in_scope
        here = scope.index(facility)
        for near in scope[here : here + self.config["max_concurrency"]]:
            if near.id not in self._asked:
                self._asked[near.id] = self._ask_first(near, self._bookmark(near))
        return self._asked.pop(facility.id)

    def _bookmark(self, facility: Facility) -> Bookmark | None:
        if self.replication_method == REPLICATION_FULL_TABLE:
            return None
        context = None if facility.id is None else {"facilityId": facility.id}
        return Bookmark.of(self.get_context_state(context))

    def _ask_first(self, facility: Facility, bookmark: Bookmark | None) -> Question:
        last_sync = self._starting_last_sync(facility.clock, bookmark)
        limit = limit_of(self.config["page_size"])
        ask = partial(self._ask, facility, last_sync, 0, limit, self._range)
        return Question.put(last_sync, self.run.executor, ask, anew=bookmark is None)

    def _starting_last_sync(self, clock: OffsetClock, bookmark: Bookmark | None) -> int | None:
        if self.replication_method == REPLICATION_FULL_TABLE:
            return None
        if bookmark is not None:
            return bookmark.last_sync(self.config["lookback_seconds"])
        start_date = self.config.get("start_date")
        return to_epoch_ms(start_date, clock.tz) if start_date else None

    def _ask(
        self,
        facility: Facility,
        last_sync: int | None,
        offset: int,
        limit: int,
        window: Mapping[str, str],
    ) -> Page:
        place = {"facilityId": facility.id, "offset": offset, "limit": limit}
        return self.fetch({**place, "lastSync": last_sync, **self.filters, **window})

    @property
    def filters(self) -> Mapping[str, bool | None]:
        """Filters of this list alone."""
        return {}
