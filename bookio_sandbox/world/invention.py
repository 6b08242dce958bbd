"""Makes up whole rows around the fields that a caller names."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from bookio_api.contract import BLOCKED_TIMES, CALENDARS, CONFIRMED, FACILITIES, RESERVATIONS
from bookio_sandbox.world.clock import wall_time
from bookio_sandbox.world.people import People
from bookio_sandbox.world.services import DEFAULT_DURATION, public_number

if TYPE_CHECKING:
    import random

    from bookio_sandbox.world.clock import Clock
    from bookio_sandbox.world.services import Services
    from bookio_sandbox.world.store import Store

_SUNDAY = 6

Row = dict[str, Any]


class Invention:
    """Makes up rows of every stream."""

    def __init__(
        self, store: Store, clock: Clock, services: Services, rng: random.Random, seed: int
    ) -> None:
        """Make up rows that fit ``store`` at the time of ``clock``."""
        self._store = store
        self._clock = clock
        self._services = services
        self._rng = rng
        self._people = People(seed, 200)

    def row(self, stream: str, fields: Row) -> Row:
        """Return a whole row with these fields in it."""
        row_id = self._store.next_id(stream)
        if stream == FACILITIES:
            row = {"id": row_id, "name": f"Ambulancia {row_id}", "timeZone": "Europe/Bratislava"}
            return row | fields
        facilities = self._store.ids(FACILITIES)
        facility_id = facilities[0] if facilities else None
        row = {"id": row_id, "facilityId": facility_id, **fields}
        invent = {
            CALENDARS: self._calendar,
            RESERVATIONS: self._reservation,
            BLOCKED_TIMES: self._blocked_time,
        }
        return row | invent[stream](row) | fields

    def wall_time_now(self, facility_id: int) -> str:
        """Return the present wall time of a facility."""
        facility = self._store.get(FACILITIES, facility_id)
        zone = ZoneInfo(facility.row["timeZone"] if facility else "UTC")
        return wall_time(self._clock.now_ms(), zone)

    def _calendar(self, _: Row) -> Row:
        year = self._clock.now().year
        service = {"name": "Kontrola", "note": "", "duration": 30, "capacity": 1}
        return {
            "name": self._people.doctor(),
            "note": "",
            "validFrom": f"{year}-01-01T00:00:00",
            "validTo": f"{year + 1}-12-31T00:00:00",
            "services": self._services.with_ids([service]),
            "intervals": [],
        }

    def _blocked_time(self, row: Row) -> Row:
        start = self._start(row)
        return {
            "dateFrom": start.isoformat(),
            "dateTo": (start + timedelta(hours=1)).isoformat(),
            "note": "Porada",
            "externalId": None,
        }

    def _reservation(self, row: Row) -> Row:
        offered = self._services.of_facility(row["facilityId"])
        service_id = row.get("serviceId") or self._rng.choice([*offered, *([] if offered else [0])])
        service = offered.get(service_id)
        minutes = service.duration if service else DEFAULT_DURATION
        start = self._start(row)
        return {
            "number": public_number(row["id"]),
            "serviceId": service_id,
            "service": service.name if service else None,
            "status": CONFIRMED,
            "dateFrom": start.isoformat(),
            "dateTo": (start + timedelta(minutes=minutes)).isoformat(),
            "duration": minutes,
            "created": self.wall_time_now(row["facilityId"]),
            "cancelTime": None,
            **self._people.pick(self._rng)._asdict(),
            "note": None,
            "externalId": None,
        }

    def _start(self, row: Row) -> datetime:
        if "dateFrom" in row:
            return datetime.fromisoformat(row["dateFrom"])
        day = self._clock.now() + timedelta(days=self._rng.randrange(1, 30))
        if day.weekday() == _SUNDAY:
            day += timedelta(days=1)
        hour, minute = self._rng.randrange(8, 16), self._rng.choice((0, 30))
        return day.replace(hour=hour, minute=minute, second=0, microsecond=0, tzinfo=None)
