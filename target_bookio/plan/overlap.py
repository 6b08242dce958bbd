"""Pure: whether a blocked time covers bookings, or a term has more of them than its capacity.

Bookio accepts a blocked time over confirmed reservations, and whether it refuses every booking
beyond the capacity (code 30) is not documented. So both are checked before anything is sent.

Times are wall times of one facility as Bookio writes them, ``YYYY-MM-DDTHH:MM:SS``, which sort as
text. A term includes its start but not its end, so consecutive bookings do not overlap.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.contract import BLOCKED_TIMES, CONFIRMED, RESERVATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from target_bookio.plan.operations import Row

_MAX_HOURS = 400 * 24
"""A longer blocked time is checked only this far."""
MAX_NAMED = 20
"""Maximum number of bookings that are named for one overlap."""


class Service(NamedTuple):
    """A service, from a calendar. Both fields may be unknown."""

    capacity: int | None
    """How many reservations can have the same term."""
    duration: int | None
    """Minutes (G); for reservations whose list does not show their end."""


class _Term(NamedTuple):
    key: str
    start: str
    end: str
    service: int | None


class Occupancy:
    """The confirmed reservations of some facilities, by the hours of their terms.

    Changed only by its owner, which calls ``put`` for every planned write, so that overlaps between
    new bookings of one run are found.
    """

    def __init__(self, reservations: Iterable[Row], services: Mapping[int, Service]) -> None:
        """Take reservations with wall times, and the services by id; see ``services_of``."""
        self._services = services
        # Hours keep a lookup short: a day's bookings are not compared with each other.
        self._hours: dict[tuple[int | None, str], dict[str, _Term]] = defaultdict(dict)
        self._places: dict[str, list[tuple[int | None, str]]] = {}
        """The facility and hours under which each key is stored."""
        for row in reservations:
            self.put(f"id:{row.get('id')}", row)

    def put(self, key: str, row: Row | None) -> None:
        """Record a reservation's current state; it counts only if it is confirmed."""
        for place in self._places.pop(key, ()):
            self._hours[place].pop(key, None)
        term = self._term(key, row) if row else None
        if row is None or term is None or row.get("status") not in {None, CONFIRMED}:
            return
        self._places[key] = [(row.get("facilityId"), hour) for hour in _hours(term.start, term.end)]
        for place in self._places[key]:
            self._hours[place][key] = term

    def overlaps(self, stream: str, key: str, row: Row) -> tuple[str, ...]:
        """Return the keys of the reservations that a planned row overlaps with.

        For a blocked time, all that it covers. For a reservation, those of its service at the first
        moment of its term at which there is no room for it. At most `MAX_NAMED`.
        """
        term = self._term(key, row)
        if term is None:
            return ()
        if stream == BLOCKED_TIMES:
            others = self._during(row.get("facilityId"), term)
            return _named({other.key for other in others})
        if stream != RESERVATIONS or row.get("status") not in {None, CONFIRMED}:
            return ()
        service = self._services.get(term.service or 0)
        if service is None or service.capacity is None:
            return ()
        return self._too_many(row.get("facilityId"), term, service.capacity)

    def _too_many(self, facility: int | None, term: _Term, capacity: int) -> tuple[str, ...]:
        """Return a service's reservations at the first moment of a term that is already full."""
        same = (o for o in self._during(facility, term) if o.service == term.service)
        # 1. Nearly always the start decides, so stop as soon as enough reservations are known.
        at_start = islice(_at(term.start, same), capacity + MAX_NAMED)
        if len(keys := {other.key for other in at_start}) >= capacity:
            return _named(keys)
        # 2. Otherwise it can only become full later at the start of another reservation.
        same = (o for o in self._during(facility, term) if o.service == term.service)
        touching = set(same)
        for moment in sorted({other.start for other in touching if other.start > term.start}):
            keys = {other.key for other in _at(moment, touching)}
            if len(keys) >= capacity:
                return _named(keys)
        return ()

    def _term(self, key: str, row: Row) -> _Term | None:
        """Return a row's term, ``None`` if it is unknown."""
        start, end, service = row.get("dateFrom"), row.get("dateTo"), row.get("serviceId")
        if not isinstance(start, str):
            return None
        service = service if isinstance(service, int) else None
        if not isinstance(end, str):
            known = self._services.get(service or 0)
            end = _later(start, known.duration if known and known.duration else 1)
        return _Term(key, start, end, service) if end and start < end else None

    def _during(self, facility: int | None, term: _Term) -> Iterator[_Term]:
        """Yield other reservations of the facility that overlap a term, some repeatedly."""
        for hour in _hours(term.start, term.end):
            for other in self._hours.get((facility, hour), {}).values():
                if other.key != term.key and other.start < term.end and term.start < other.end:
                    yield other


def services_of(calendars: Iterable[Row]) -> dict[int, Service]:
    """Return the services of listed calendars, by id."""
    return {
        service["id"]: Service(_count(service.get("capacity")), _count(service.get("duration")))
        for calendar in calendars
        for service in calendar.get("services") or ()
        if isinstance(service, dict) and type(service.get("id")) is int
    }


def _count(value: Any) -> int | None:  # noqa: ANN401 - whatever Bookio sent
    return value if type(value) is int and value > 0 else None


def _named(keys: set[str]) -> tuple[str, ...]:
    return tuple(sorted(keys)[:MAX_NAMED])


def _at(moment: str, terms: Iterable[_Term]) -> Iterator[_Term]:
    return (term for term in terms if term.start <= moment < term.end)


def _hours(start: str, end: str) -> Iterator[str]:
    """Yield the hours of a term, ``YYYY-MM-DDTHH``."""
    if start[:13] == end[:13]:
        yield start[:13]
        return
    try:
        hour, last = datetime.fromisoformat(start[:13]), datetime.fromisoformat(end)
    except ValueError:
        return
    for _ in range(_MAX_HOURS):
        if hour >= last:
            return
        yield hour.isoformat()[:13]
        hour += timedelta(hours=1)


@lru_cache(maxsize=10_000)
def _later(start: str, minutes: int) -> str | None:
    try:
        return (datetime.fromisoformat(start) + timedelta(minutes=minutes)).isoformat()
    except (ValueError, OverflowError):
        return None
