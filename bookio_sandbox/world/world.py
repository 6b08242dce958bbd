"""The seeded world: clinics, their calendars, eighteen months of bookings and blocked times."""

from __future__ import annotations

import math
import random
from datetime import date, timedelta
from itertools import count, islice
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from bookio_api.contract import BLOCKED_TIMES, CALENDARS, FACILITIES, RESERVATIONS
from bookio_sandbox.world.bookings import AHEAD, HOLIDAYS, PAST, Bookings, Doctor, is_workday
from bookio_sandbox.world.clock import epoch_ms
from bookio_sandbox.world.people import People, ascii_letters
from bookio_sandbox.world.store import Stored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from bookio_sandbox.world.store import Store

SIZES = {"small": 2_000, "medium": 20_000, "large": 200_000}
"""Number of reservations by name of a size."""

Row = dict[str, Any]


class _Place(NamedTuple):
    name: str
    city: str
    postcode: int
    latitude: float
    longitude: float
    zone: str


_PLACES = (
    _Place("Stomatológia Staré Mesto", "Bratislava", 81101, 48.1446, 17.1077, "Europe/Bratislava"),
    _Place("Klinika Las Canteras", "Las Palmas", 35010, 28.1411, -15.4361, "Atlantic/Canary"),
    _Place("Pediatria Juh", "Košice", 4001, 48.7076, 21.2519, "Europe/Bratislava"),
    _Place("Očné centrum Žilina", "Žilina", 1001, 49.2194, 18.7408, "Europe/Bratislava"),
    _Place("Dermatológia Trnava", "Trnava", 91701, 48.3774, 17.5872, "Europe/Bratislava"),
)
_STREETS = ("Hlavná", "Štúrova", "Mlynská", "Hviezdoslavova", "Námestie slobody", "Záhradnícka")
_COUNTRIES = {
    "Europe/Bratislava": {"name": "Slovakia", "code": "SVK"},
    "Atlantic/Canary": {"name": "Spain", "code": "ESP"},
}
_SERVICES: tuple[Row, ...] = (
    {"name": "Vstupné vyšetrenie", "duration": 30, "capacity": 1, "referralLetter": False},
    {"name": "Kontrola", "duration": 15, "capacity": 1, "referralLetter": False},
    {"name": "Odborná konzultácia", "duration": 20, "capacity": 1, "referralLetter": True},
    {"name": "Očkovanie", "duration": 15, "capacity": 4, "referralLetter": False},
    {"name": "Preventívna prehliadka", "duration": 30, "capacity": 2, "referralLetter": False},
)
_BOOKINGS_PER_DOCTOR = 2_700
_DOCTORS_ON_LEAVE = 50
FACILITIES_OF_A_VENDOR = len(_PLACES)
"""How many facilities there are unless asked for more or fewer."""


class World:
    """Writes the world of a seed into an empty store."""

    def __init__(
        self,
        store: Store,
        seed: int,
        size: int,
        now: datetime,
        facilities: int = FACILITIES_OF_A_VENDOR,
    ) -> None:
        """Plan ``size`` reservations around ``now``, which carries an offset."""
        self._store = store
        self._size = size
        self._places = list(islice(_places(), facilities))
        self._now = now
        self._today = now.date()
        self._first = (now - PAST).date()
        self._rng = random.Random(f"world {seed}")
        self._people = People(seed, 30 + size // 6)

    def build(self) -> None:
        """Write every stream."""
        facilities = self._facilities()
        calendars = self._calendars(facilities)
        self._store.load(FACILITIES, map(self._unchanged, facilities))
        self._store.load(CALENDARS, map(self._unchanged, calendars))
        if self._size:
            doctors = self._doctors(facilities, calendars)
            bookings = Bookings(doctors, self._people, self._rng, self._now)
            self._store.load(RESERVATIONS, bookings.rows(self._size))
            self._store.load(BLOCKED_TIMES, self._blocked_times(facilities, doctors))

    def _unchanged(self, row: Row) -> Stored:
        return Stored(row, epoch_ms(self._now - PAST), unsynced=False)

    def _facilities(self) -> list[Row]:
        first_id = self._rng.randrange(1_000, 9_000)
        return [
            {
                "id": first_id + 37 * position,
                "name": place.name,
                "address": {
                    "street": f"{self._rng.choice(_STREETS)} {self._rng.randrange(1, 90)}",
                    "city": place.city,
                    "postcode": place.postcode,
                    "country": _COUNTRIES[place.zone],
                    "gps": {"latitude": place.latitude, "longitude": place.longitude},
                },
                "contact": {
                    "phone": self._people.phone(),
                    "email": f"recepcia@{ascii_letters(place.name)}.example",
                },
                "timeZone": place.zone,
            }
            for position, place in enumerate(self._places)
        ]

    def _calendars(self, facilities: list[Row]) -> list[Row]:
        needed = math.ceil(self._size / _BOOKINGS_PER_DOCTOR)
        return [
            {
                "id": 3001 + 7 * position,
                "facilityId": facilities[position % len(facilities)]["id"],
                "name": self._people.doctor(),
                "note": f"Ambulancia {position // len(facilities) + 1}",
                "validFrom": f"{self._first}T00:00:00",
                "validTo": f"{self._today.year + 2}-01-01T00:00:00",
                "services": self._services(7001 + 10 * position),
                "intervals": _intervals(),
            }
            for position in range(max(needed, len(facilities) + 2))
        ]

    def _services(self, first_id: int) -> list[Row]:
        offered = self._rng.sample(_SERVICES, 3)
        return [
            {"id": service_id, "note": "", **service}
            for service_id, service in enumerate(offered, start=first_id)
        ]

    def _doctors(self, facilities: list[Row], calendars: list[Row]) -> list[Doctor]:
        zones = {row["id"]: ZoneInfo(row["timeZone"]) for row in facilities}
        doctors = []
        for calendar in calendars:
            facility_id = calendar["facilityId"]
            leave = self._today.toordinal() - self._rng.randrange(10, 300)
            leave_days = range(leave, leave + self._rng.randrange(3, 12))
            doctors.append(
                Doctor(facility_id, zones[facility_id], calendar["services"], leave_days)
            )
        return doctors

    def _blocked_times(self, facilities: list[Row], doctors: list[Doctor]) -> Iterator[Stored]:
        """Yield public holidays, lunch breaks around the present, and the doctors' leave."""
        days = [self._first + timedelta(days=n) for n in range((PAST + AHEAD).days)]
        blocked = [
            (facility["id"], f"{day}T00:00:00", f"{day}T23:59:00", HOLIDAYS[day.month, day.day])
            for facility in facilities
            for day in days
            if (day.month, day.day) in HOLIDAYS
        ]
        blocked += [
            (facility["id"], f"{day}T12:00:00", f"{day}T13:00:00", "Obed")
            for facility in facilities
            for day in days
            if is_workday(day) and abs(day - self._today) <= AHEAD
        ]
        for doctor in doctors[:_DOCTORS_ON_LEAVE]:
            first, last = (date.fromordinal(doctor.leave[end]) for end in (0, -1))
            blocked.append(
                (doctor.facility_id, f"{first}T08:00:00", f"{last}T17:00:00", "Dovolenka")
            )
        self._rng.shuffle(blocked)
        for row_id, (facility_id, start, end, note) in enumerate(blocked, start=40_001):
            row = {
                "id": row_id,
                "facilityId": facility_id,
                "dateFrom": start,
                "dateTo": end,
                "note": note,
                "externalId": None if note == "Obed" else 900_000 + row_id,
            }
            age = self._rng.random() * PAST
            yield Stored(row, epoch_ms(self._now - age), unsynced=False)


def _places() -> Iterator[_Place]:
    """Yield the places, then branches of them with a number behind their name."""
    yield from _PLACES
    for branch in count(2):
        for place in _PLACES:
            yield place._replace(name=f"{place.name} {branch}")


def _intervals() -> list[Row]:
    days = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY")
    return [
        {"day": day, "from": start, "to": end}
        for day in days
        for start, end in (("08:00", "12:00"), ("13:00", "17:00"))
    ]
