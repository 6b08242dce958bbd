"""Checks for overlaps before a request is sent: `plan.overlap` with the mirror's rows."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING

from bookio_api.contract import BLOCKED_TIMES, CALENDARS, CONFIRMED, RESERVATIONS
from bookio_api.errors import PermissionDeniedError, UnknownPathError
from target_bookio.effects import Effect
from target_bookio.plan.operations import after
from target_bookio.plan.overlap import Occupancy, services_of
from target_bookio.settings import OnOverlap

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_bookio.desired import Desired
    from target_bookio.plan.operations import Row, Step
    from target_bookio.refresh.mirror import Mirror

logger = logging.getLogger(__name__)

_NEEDED = {RESERVATIONS: (RESERVATIONS, CALENDARS), BLOCKED_TIMES: (RESERVATIONS,)}
"""The lists that show whether a row of a stream overlaps."""
_MAX_PLANNED = 10_000
"""Maximum terms of this run in memory; then the bookings are read from the mirror again."""
_PLACING = frozenset({Effect.CREATE, Effect.TERM, Effect.STATUS})
"""Operations that can cause an overlap."""


class Overlaps:
    """Bookings at the times that a run writes. Changed only by the reconciler's thread."""

    def __init__(
        self, mirror: Mirror, refresh: Callable[[str], None], on_overlap: OnOverlap
    ) -> None:
        """Take the mirror, and what refreshes a stream of it once per run."""
        self._mirror = mirror
        self._refresh = refresh
        self.on_overlap = on_overlap
        self._is_possible: dict[str, bool] = {}
        """For each stream, whether its lists can be read."""
        self._occupancy: Occupancy | None = None
        self._loaded: set[tuple[int | None, str]] = set()
        """The facilities and months whose reservations were read from the mirror."""
        self._planned: set[str] = set()
        """Keys of rows that this run plans to write: the mirror may not have them yet."""
        self._unanswered: dict[str, Row | None] = {}
        """Those whose request is in flight, with the row as it was before."""

    def of(self, desired: Desired, row: Row | None, step: Step) -> tuple[str, ...]:
        """Return the keys of the reservations with which a request would overlap."""
        stream = desired.stream
        if self.on_overlap is OnOverlap.IGNORE or step.effect not in _PLACING:
            return ()
        key = _key(desired, row["id"] if row else None)
        planned = after(step, row, None) or {}
        # A cancellation frees its term for the records that follow in this run.
        if planned.get("status") not in {None, CONFIRMED}:
            self._plan(key, row, planned)
            return ()
        if not self._can_look(stream):
            return ()
        occupancy = self._around(planned)
        found = occupancy.overlaps(stream, key, planned)
        # Unless it is rejected, the records that follow must see this reservation.
        if stream == RESERVATIONS and not (found and self.on_overlap is OnOverlap.REJECT):
            self._plan(key, row, planned)
        return found

    def is_open(self, found: tuple[str, ...]) -> bool:
        """Whether Bookio may still refuse one of the bookings that a request overlaps with."""
        return not self._unanswered.keys().isdisjoint(found)

    def answered(self, desired: Desired, row_id: int | None, *, was_refused: bool) -> None:
        """Record the response to a request; what Bookio refused takes up no term."""
        key = _key(desired, row_id)
        before = self._unanswered.pop(key, None)
        if was_refused and key in self._planned:
            self._planned.discard(key)
            if self._occupancy is not None:
                self._occupancy.put(key, before)

    def _plan(self, key: str, row: Row | None, planned: Row) -> None:
        """Count a row as it will be, until Bookio refuses that."""
        self._planned.add(key)
        self._unanswered[key] = row
        if self._occupancy is not None:
            self._occupancy.put(key, planned)

    def _can_look(self, stream: str) -> bool:
        """Refresh the lists that are needed; False, with one warning, if one cannot be read."""
        if stream not in _NEEDED:
            return False
        if stream not in self._is_possible:
            self._is_possible[stream] = self._read(stream)
        return self._is_possible[stream]

    def _read(self, stream: str) -> bool:
        try:
            for needed in _NEEDED[stream]:
                self._refresh(needed)
        except (PermissionDeniedError, UnknownPathError) as error:
            why = str(error).partition(";")[0]  # the rest is advice about the list
            logger.warning("%s: overlaps cannot be checked: %s", stream, why)
            return False
        return True

    def _around(self, row: Row) -> Occupancy:
        """Return the bookings at a row's facility in the months of its term."""
        # Read month by month: the mirror may have a million rows, and a run touches few months.
        if self._occupancy is None or len(self._planned) > _MAX_PLANNED:
            self._occupancy = Occupancy((), services_of(self._mirror.bodies(CALENDARS)))
            self._loaded.clear()
            self._planned.clear()
        facility, start = row.get("facilityId"), str(row.get("dateFrom") or "")
        for month in _months(start, str(row.get("dateTo") or start)):
            if (facility, month) not in self._loaded:
                self._loaded.add((facility, month))
                self._load(self._occupancy, facility, month)
        return self._occupancy

    def _load(self, occupancy: Occupancy, facility: int | None, month: str) -> None:
        for row in self._mirror.bodies(RESERVATIONS, facility, month):
            names = {f"id:{row['id']}", f"externalId:{row.get('externalId')}"}
            if not names & self._planned:
                occupancy.put(f"id:{row['id']}", row)


def _key(desired: Desired, row_id: int | None) -> str:
    """Return the key under which a row's term is kept: of a new row, that of its record."""
    return desired.key if row_id is None else f"id:{row_id}"


@lru_cache(maxsize=10_000)
def _months(start: str, end: str) -> list[str]:
    """Return the months, ``YYYY-MM``, of a term, also the one before if it begins on a first."""
    first, last = start[:7], end[:7]
    try:
        year, month = int(first[:4]), int(first[5:7])
        end_year, end_month = int(last[:4]), int(last[5:7])
    except ValueError:
        return []
    number, stop = year * 12 + month - 1, end_year * 12 + end_month - 1
    if start[8:10] == "01":  # a booking of the night before may extend into it
        number -= 1
    return [f"{n // 12:04}-{n % 12 + 1:02}" for n in range(number, min(stop, number + 13) + 1)]
