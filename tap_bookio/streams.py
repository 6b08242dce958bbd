"""The four streams, one short class each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE

from tap_bookio.base import BookioStream
from tap_bookio.paged import PagedStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tap_bookio.base import Row
    from tap_bookio.paged import Context


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
