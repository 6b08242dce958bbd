"""The four streams, one short class each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE

from tap_bookio.bookio_stream import BookioStream
from tap_bookio.deletion_guard import doubts
from tap_bookio.paged_stream import PagedStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_bookio.bookio_stream import Row
    from tap_bookio.paged_stream import Context


class FacilitiesStream(BookioStream):
    """Places where patients are seen; one request."""

    name = "facilities"
    operation = "list_facilities"

    def get_records(self, context: Context) -> Iterable[Row]:  # noqa: ARG002
        """Yield the facilities in scope."""
        facilities = self.run.facilities
        for row in facilities.rows or []:
            clock = facilities[row["id"]].clock
            yield from self.record_builder.records([row], clock)


class CalendarsStream(BookioStream):
    """Calendars with their services; one request for each facility."""

    name = "calendars"
    operation = "list_calendars"

    def get_records(self, context: Context) -> Iterable[Row]:  # noqa: ARG002
        """Yield each calendar once."""
        seen: set[int] = set()
        facilities = self.run.facilities.in_scope
        queries = [{"facilityId": facility.id} for facility in facilities]
        pages = self.run.executor.map(self.fetch, queries)
        for facility, page in zip(facilities, pages, strict=True):
            for row in self.records(page.rows, facility):
                if row["id"] not in seen:
                    seen.add(row["id"])
                    yield row


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

    def get_records(self, context: Context) -> Iterable[Row]:
        """Scan one facility, and give its records the version that is activated after all."""
        if self.config["detect_deletions"] and self.record_version is None:
            self.record_version = self.run.started_ms
        return super().get_records(context)

    def settle(self) -> None:
        """Where deletions are looked for, wait for the last facility and activate the version."""
        version = self.record_version
        if not self.config["detect_deletions"] or version is None:
            super().settle()
            return
        if len(self._scanned) < len(self.run.facilities.in_scope):
            return
        found = list(doubts(f"bookmarks.{self.name}", self._rows_before(), self._rows_now()))
        for facility, doubt in found:
            self.run.report_incomplete(self.name, facility, doubt)
        if found:
            return
        self.stream_state.pop("rows", None)
        for context, _, rows in self._scanned:
            self.get_context_state(context)["rows"] = rows
        if any(self._rows_now().values()):
            self.activate_version(version)
        super().settle()

    def _rows_before(self) -> dict[int | None, int | None]:
        """Return the counts of the last run by facility; None is that of all, where not listed."""
        partitions = self.stream_state.get("partitions", [])
        counts = {entry["context"]["facilityId"]: entry.get("rows") for entry in partitions}
        return {None: self.stream_state.get("rows"), **counts}

    def _rows_now(self) -> dict[int | None, int]:
        return {(context or {}).get("facilityId"): rows for context, _, rows in self._scanned}
