"""The services that calendars offer, as far as a booking needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.contract import CALENDARS

if TYPE_CHECKING:
    from bookio_sandbox.world.store import Store

DEFAULT_DURATION = 30
_FIRST_ID = 7001
_INT32 = 2**31


class Service(NamedTuple):
    """A bookable service; ``duration`` in minutes, ``capacity`` in bookings per term."""

    name: str
    duration: int
    capacity: int


class Services:
    """Finds services by id, in the calendars of a facility."""

    def __init__(self, store: Store) -> None:
        """Read from ``store``."""
        self._store = store
        self._seen = -1
        self._known: dict[int, dict[int, Service]] = {}

    def of_facility(self, facility_id: int) -> dict[int, Service]:
        """Return the services of a facility by id."""
        if self._seen != self._store.changes[CALENDARS]:
            self._seen = self._store.changes[CALENDARS]
            self._known = {}
            for calendar, *_ in self._store.rows(CALENDARS):
                offered = self._known.setdefault(calendar["facilityId"], {})
                for service in calendar["services"]:
                    offered[service["id"]] = _service(service)
        return self._known.get(facility_id, {})

    def with_ids(self, services: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the services of a request; those without an id get a new one."""
        self.of_facility(0)
        known = (service_id for offered in self._known.values() for service_id in offered)
        next_id = max(known, default=_FIRST_ID - 1) + 1
        return [
            service if _number(service.get("id"), 0) else service | {"id": next_id + position}
            for position, service in enumerate(services)
        ]


def _service(sent: dict[str, Any]) -> Service:
    """Parse a service. Its fields are unknown (U), so nothing is refused."""
    return Service(
        str(sent.get("name", "")),
        _number(sent.get("duration"), DEFAULT_DURATION),
        _number(sent.get("capacity"), 1),
    )


def _number(value: object, default: int) -> int:
    return value if isinstance(value, int) and 0 <= value < _INT32 else default


def public_number(row_id: int) -> str:
    """Return the public number of a reservation id, for instance ``a47b89``."""
    return f"{row_id * 0x9E3779 & 0xFFFFFF:06x}"
