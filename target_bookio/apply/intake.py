"""Reads records, and rejects those that cannot be parsed."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from target_bookio.apply import messages
from target_bookio.desired import RecordError
from target_bookio.record_reader import read_record
from target_bookio.refresh.listed_row import fixed_digests

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from bookio_api.facilities import Facilities
    from target_bookio.apply.bookkeeper import Bookkeeper
    from target_bookio.apply.reporter import Reporter
    from target_bookio.desired import Desired


class Intake:
    """Where a run's records enter."""

    def __init__(self, facilities: Facilities, keeper: Bookkeeper, reporter: Reporter) -> None:
        """Take the facilities in scope, and what digests and rejects records."""
        self._facilities = facilities
        self._keeper = keeper
        self._reporter = reporter
        self._places = count()

    def read(self, stream: str, records: Iterable[Mapping[str, Any]]) -> list[Desired]:
        """Return the parsed records, without those that are invalid.

        Records with a ``facilityId`` have its wall times; the others get those of their row later.
        """
        readable = []
        for record in records:
            try:
                readable.append(self._placed(read_record(stream, record)))
            except RecordError as error:
                self._reporter.unreadable(stream, record, error)
        return readable

    def _placed(self, desired: Desired) -> Desired:
        self._checked(desired)
        desired = desired._replace(
            place=next(self._places),
            wish=self._keeper.wish_of(desired),
            fixed=fixed_digests(desired.stream, desired.values, self._keeper.digest),
        )
        facility = desired.facility_id
        if facility is None:
            return desired
        is_known = self._facilities.knows_zone(facility)
        return desired.in_zone(self._facilities.time_zone(facility), is_known=is_known)

    def _checked(self, desired: Desired) -> None:
        facility = desired.facility_id
        if facility is not None and not self._facilities.is_in_scope(facility):
            raise RecordError(messages.UNKNOWN_FACILITY, ("facilityId",))
