"""The streams, one short class each."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from singer_sdk import StreamSchema

from bookio_api.contract import BLOCKED_TIMES, CALENDARS, FACILITIES, RESERVATIONS
from bookio_api.facilities import rows_lacking
from tap_bookio.bookio_stream import SCHEMAS, BookioStream
from tap_bookio.output.whole_pages import WholePages
from tap_bookio.paged_stream import PagedStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk import Tap

    from tap_bookio.bookio_stream import Row
    from tap_bookio.paged_stream import Context
    from tap_bookio.run import Run


class FacilitiesStream(BookioStream):
    """Places where patients are treated; one request."""

    name = FACILITIES

    def get_pages(self, context: Context) -> Iterator[list[Row]]:  # noqa: ARG002
        """Yield the facilities in scope, each in its own time zone."""
        facilities = self.run.facilities
        for row in facilities.rows or []:
            yield self.records([row], facilities[row["id"]])


class CalendarsStream(BookioStream):
    """Calendars with their services; one request for each facility."""

    name = CALENDARS

    def get_pages(self, context: Context) -> Iterator[list[Row]]:  # noqa: ARG002
        """Yield each calendar once, though two facilities may list it."""
        seen: set[int] = set()
        asked = [
            (facility, self.run.executor.submit(self.fetch, {"facilityId": facility.id}))
            for facility in self.run.facilities.in_scope
        ]
        for facility, page in asked:
            if self.run.problems.gave_up(self.name, facility.id):
                page.cancel()  # unless it is under way
                continue
            with self.run.problems.noted(self.name, facility.id):
                listed = page.result()
                rows = [row for row in listed.rows if row["id"] not in seen]
                seen.update(row["id"] for row in rows)
                yield self.records(rows, facility)
                if lack := rows_lacking(listed):
                    self.run.problems.incomplete(self.name, facility.id, lack)


class ReservationsStream(PagedStream):
    """Patients' bookings. That cancelled ones stay listed is an assumption (U)."""

    name = RESERVATIONS


class BlockedTimesStream(PagedStream):
    """Times when a facility accepts no bookings. A removed one disappears (U, assumed)."""

    name = BLOCKED_TIMES


class ScansStream(WholePages):
    """How each list was read; it comes last, because streams are synced in order of name."""

    name = "scans"
    schema = StreamSchema(SCHEMAS)
    primary_keys: ClassVar[tuple[str, ...]] = ("stream", "facilityId", "askedAt")

    def __init__(self, tap: Tap, run: Run) -> None:
        """Make a stream of this tap, for one sync."""
        super().__init__(tap)
        self.run = run

    def get_pages(self, context: Context) -> Iterator[list[Row]]:  # noqa: ARG002
        """Yield a record for each scan of this run."""
        yield [scan.record() for scan in self.run.scans]
