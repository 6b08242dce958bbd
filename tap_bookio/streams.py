"""The four streams: one short class each, over what they share."""

from __future__ import annotations

import logging
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import SchemaDirectory, Stream, StreamSchema
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE

from bookio_api.lists import fetch_page
from bookio_api.localtime import to_epoch_ms
from bookio_api.scan import Page, Scan
from bookio_api.schemas import schema_directory, stream_schema
from tap_bookio.bookmark import REPLICATION_KEY, TOLERATED_SKEW_MS, Bookmark, Question, skew_ms
from tap_bookio.conform import Conformer
from tap_bookio.privacy import Privacy, published
from tap_bookio.whole_pages import WholePages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bookio_api.facilities import Facility
    from bookio_api.localtime import OffsetClock
    from tap_bookio.tap import TapBookio

    Context = Mapping[str, Any] | None

Row = dict[str, Any]

SCHEMAS = SchemaDirectory(schema_directory())


class PublishedSchema(StreamSchema[str]):
    """A schema file, less the fields that ``personal_data`` omits."""

    def get_stream_schema(self, stream: Stream, stream_class: type[Stream]) -> dict[str, Any]:
        """Read it for a stream of this run."""
        schema = super().get_stream_schema(stream, stream_class)
        return published(schema, stream.config["personal_data"])


class BookioStream(WholePages):
    """What all streams share: schema files, keys, and rows that fit their schema."""

    primary_keys: ClassVar[tuple[str, ...]] = ("id",)
    schema = PublishedSchema(SCHEMAS)
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # conform.py does it, and keeps all fields
    operation: ClassVar[str]

    def __init__(self, tap: TapBookio) -> None:
        """Make a stream of this tap."""
        super().__init__(tap)
        self.bookio = tap
        self._conformer = Conformer(self.name, self.schema, self.logger)

    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:  # noqa: ANN401
        """Log, but leave the account of a failed sync to the command line, which has the reason."""
        level = logging.DEBUG if message.startswith("An unhandled error") else level
        super().log(message, *args, level=level, **kwargs)

    @cached_property
    def privacy(self) -> Privacy:
        """What this stream does with personal data; the catalog is known by now."""
        listed = self.effective_schema["properties"]
        return Privacy(stream_schema(self.name), self.config, self.logger, listed)

    def fetch(self, query: Mapping[str, Any]) -> Page:
        """Ask Bookio once."""
        return fetch_page(self.bookio.client, self.operation, query)

    def conformed(self, rows: list[Row], facility: Facility) -> list[Row]:
        """Return what leaves of rows: it fits the schema, and names the facility asked for."""
        conformed = self._conformer.rows(self.privacy.rows(rows), facility.clock)
        if facility.id is not None:
            for row in conformed:
                row.setdefault("facilityId", facility.id)
        return conformed


class FacilitiesStream(BookioStream):
    """Places where patients are seen; one request."""

    name = "facilities"
    operation = "list_facilities"

    def get_records(self, context: Context) -> Iterable[Row]:  # noqa: ARG002
        """Yield the facilities in scope."""
        facilities = self.bookio.facilities
        for row in facilities.rows or []:
            clock = facilities[row["id"]].clock
            yield from self._conformer.rows(self.privacy.rows([row]), clock)


class CalendarsStream(BookioStream):
    """Calendars with their services; one request for each facility."""

    name = "calendars"
    operation = "list_calendars"

    def get_records(self, context: Context) -> Iterable[Row]:  # noqa: ARG002
        """Yield each calendar once."""
        seen: set[int] = set()
        facilities = self.bookio.facilities.in_scope
        queries = [{"facilityId": facility.id} for facility in facilities]
        pages = self.bookio.executor.map(self.fetch, queries)
        for facility, page in zip(facilities, pages, strict=True):
            for row in self.conformed(page.rows, facility):
                if row["id"] not in seen:
                    seen.add(row["id"])
                    yield row


class PagedStream(BookioStream):
    """A list that changes while it is read: an anchored scan for each facility."""

    replication_key = REPLICATION_KEY
    is_timestamp_replication_key = False
    date_filters: ClassVar[tuple[str, str]]
    """Bookio's names of the range filters (C)."""

    def __init__(self, tap: TapBookio) -> None:
        """Read the range from the settings."""
        super().__init__(tap)
        starts, ends = (self.config.get(f"{self.name}_{end}") for end in ("from", "to"))
        days = zip(self.date_filters, (starts, ends), strict=True)
        self._range = {name: str(day) for name, day in days if day}
        self._found = 0
        """Different rows so far."""
        self._asked: dict[int | None, Question] = {}
        """Asked ahead, by facility."""

    @property
    def partitions(self) -> list[dict[str, Any]] | None:
        """One partition a facility, or none if the token may not list them."""
        ids = [facility.id for facility in self.bookio.facilities.in_scope]
        return None if ids == [None] else [{"facilityId": key} for key in ids]

    def compare_start_date(self, value: str, start_date_value: str) -> str:  # noqa: ARG002
        """Prefer a bookmark to ``start_date``."""
        return value

    def get_records(self, context: Context) -> Iterable[Row]:
        """Scan one facility, then move its bookmark if nothing can have been missed."""
        facility = self.bookio.facilities[context["facilityId"] if context else None]
        question = self._answered(facility)
        scan = Scan(
            partial(self._ask, facility, question.last_sync),
            page_size=self.config["page_size"],
            executor=self.bookio.executor,
            concurrency=self.config["max_concurrency"],
            window=self._range,
            date_filters=self.date_filters,
            first_page=question.page,
        )
        yield from self.emit(self.conformed(rows, facility) for rows in scan.pages())
        self._found += scan.rows
        if not scan.verdict.complete:
            self.bookio.report_incomplete(self.name, facility.id, scan.verdict.reason)
            return
        state = self.get_context_state(context)
        question.bookmark(scan.first_page.server_time_ms).write(state)
        self.finalize_state_progress_markers(state)

    def _answered(self, facility: Facility) -> Question:
        """Return the question whose time becomes the bookmark.

        If the server's clock went back behind the last question's, ``lastSync`` proves nothing:
        then the facility is read anew.
        """
        question = self._question(facility)
        now = question.page.result().server_time_ms
        self.bookio.warn_of_skew(skew_ms(now))
        bookmark = self._bookmark(facility)
        if bookmark and now is not None and now < bookmark.question_ms - TOLERATED_SKEW_MS:
            self.logger.warning("Bookio's clock went back: reading facility %s anew", facility.id)
            return self._ask_first(facility, None)
        return question

    def _question(self, facility: Facility) -> Question:
        """Ask about a facility and, as answers since a bookmark are short, about the next ones."""
        scope = self.bookio.facilities.in_scope
        here = scope.index(facility)
        for near in scope[here : here + self.config["max_concurrency"]]:
            bookmark = self._bookmark(near)
            if near.id not in self._asked and (bookmark or near is facility):
                self._asked[near.id] = self._ask_first(near, bookmark)
        return self._asked.pop(facility.id)

    def _bookmark(self, facility: Facility) -> Bookmark | None:
        if self.replication_method == REPLICATION_FULL_TABLE:
            return None
        context = None if facility.id is None else {"facilityId": facility.id}
        return Bookmark.of(self.get_context_state(context))

    def _ask_first(self, facility: Facility, bookmark: Bookmark | None) -> Question:
        last_sync = self._starting_last_sync(facility.clock, bookmark)
        ask = partial(self._ask, facility, last_sync, 0, self.config["page_size"], self._range)
        return Question.put(last_sync, self.bookio.executor, ask)

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

    def _increment_stream_state(self, latest_record: Row, *, context: Context = None) -> None:
        """Do nothing: the bookmark is our question's time, never a record's."""


class ReservationsStream(PagedStream):
    """Bookings of patients."""

    name = "reservations"
    operation = "list_reservations"
    date_filters = ("from", "to")

    @property
    def filters(self) -> Mapping[str, bool | None]:
        """Leave out what a clinic's own system has taken over, if asked to."""
        return {"onlyUnsynced": self.config["only_unsynced"] or None}


class BlockedTimesStream(PagedStream):
    """Times at which a facility takes no bookings.

    A removed one just disappears from the list (U, assumed). With ``detect_deletions`` the whole
    list is read, and an ACTIVATE_VERSION after it lets a loader drop what did not come.
    """

    name = "blocked_times"
    operation = "list_blocked_times"
    date_filters = ("dateFrom", "dateTo")
    emit_activate_version_messages = False  # the SDK would send it before

    @property
    def replication_method(self) -> str:
        """Full table while deletions are looked for."""
        if self.config["detect_deletions"]:
            return str(REPLICATION_FULL_TABLE)
        return super().replication_method

    def get_records(self, context: Context) -> Iterator[Row]:
        """Scan one facility; after the last of them, activate the version of all."""
        if not self.config["detect_deletions"]:
            yield from super().get_records(context)
            return
        if self._stream_version is None:
            self._stream_version = self.bookio.initialized_at
        yield from super().get_records(context)
        if context is None or context == (self.partitions or [{}])[-1]:
            self._activate_version(self._stream_version)

    def _activate_version(self, version: int) -> None:
        """Let loaders delete what did not come, unless that is too much to be true."""
        if self.bookio.is_incomplete(self.name):
            return
        before = self.stream_state.get("rows", 0)
        if _implausible(before, self._found):
            self.bookio.report_incomplete(
                self.name,
                None,
                f"{before - self._found} of {before} rows vanished since the last run, so none was "
                f"deleted; if that is true, take bookmarks.{self.name}.rows out of the state",
            )
        elif self._found:
            self.stream_state["rows"] = self._found
            self._write_activate_version_message(version)
            self.finalize_state_progress_markers(self.stream_state)


def _implausible(before: int, now: int) -> bool:
    """Whether so many rows vanished that the server's answer is doubted first."""
    vanished = before - now
    return vanished > 0 and (now == 0 or (vanished > before // 2 and vanished > 10))  # noqa: PLR2004
