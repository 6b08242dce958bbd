"""The seeded world: clinics, calendars and eighteen months of bookings, the same for a seed.

A booking is a slot of half an hour in a doctor's day. The slots are drawn by weight (weekday, hour,
growth, nearness), so no doctor is booked twice at a time; ids follow the moment of booking.
"""

from __future__ import annotations

import math
import random
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from bookio_sandbox.clock import epoch_ms
from bookio_sandbox.people import People, ascii_letters
from bookio_sandbox.services import public_number
from bookio_sandbox.store import Stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_sandbox.store import Store

SIZES = {"small": 2_000, "medium": 20_000, "large": 200_000}
"""Reservations of the named sizes; 0 has facilities and calendars only."""

Row = dict[str, Any]

_PLACES = (
    ("Stomatológia Staré Mesto", "Bratislava", 81101, 48.1446, 17.1077, "Europe/Bratislava"),
    ("Klinika Las Canteras", "Las Palmas de Gran Canaria", 35010, 28.1411, -15.4361,
     "Atlantic/Canary"),
    ("Pediatria Juh", "Košice", 4001, 48.7076, 21.2519, "Europe/Bratislava"),
    ("Očné centrum Žilina", "Žilina", 1001, 49.2194, 18.7408, "Europe/Bratislava"),
    ("Dermatológia Trnava", "Trnava", 91701, 48.3774, 17.5872, "Europe/Bratislava"),
)  # fmt: skip
_COUNTRIES = {
    "Europe/Bratislava": {"name": "Slovakia", "code": "SVK"},
    "Atlantic/Canary": {"name": "Spain", "code": "ESP"},
}
_SERVICES = (
    ("Vstupné vyšetrenie", 30, 1, False),
    ("Kontrola", 15, 1, False),
    ("Odborná konzultácia", 20, 1, True),
    ("Očkovanie", 15, 4, False),
    ("Preventívna prehliadka", 30, 2, False),
)
_WEEKDAYS = (1.25, 1.1, 1.0, 1.05, 0.75, 0.12, 0)
_HOURS = {8: 0.9, 9: 1.3, 10: 1.25, 11: 1.0, 13: 0.8, 14: 0.9, 15: 0.7, 16: 0.4}
_HOLIDAYS = {
    (1, 1): "Deň vzniku SR", (1, 6): "Zjavenie Pána", (5, 1): "Sviatok práce",
    (5, 8): "Deň víťazstva", (7, 5): "Cyril a Metod", (8, 29): "Výročie SNP",
    (11, 1): "Všetkých svätých", (12, 24): "Štedrý deň", (12, 25): "1. sviatok vianočný",
    (12, 26): "2. sviatok vianočný",
}  # fmt: skip
_REASONS = ("Choroba", "Nemôžem prísť", "Iný termín", "Cestujem", "Chyba v objednávke")
_NOTES = ("Prvá návšteva", "Prosím zavolať vopred", "Bolesť", "Predpis", "Alergia na penicilín")

_PAST = timedelta(days=548)
_AHEAD = timedelta(days=42)
_LEAD_DAYS = 9
_SLOTS_PER_DOCTOR = 6_700
_SLACK = 2.5


class Doctor(NamedTuple):
    """A calendar as the generator needs it."""

    facility_id: int
    zone: ZoneInfo
    services: list[Row]
    leave: range
    """Ordinals of the days on leave."""


class World:
    """Writes the world of a seed into an empty store."""

    def __init__(self, store: Store, seed: int, size: int, now: datetime) -> None:
        """Plan ``size`` reservations around ``now``, which carries an offset."""
        self._store = store
        self._size = size
        self._now = now
        self._rng = random.Random(f"world {seed}")
        self._people = People(seed, 30 + size // 6)

    def build(self) -> None:
        """Write every stream."""
        facilities = self._facilities()
        doctors = self._calendars(facilities)
        self._store.load("reservations", self._reservations(doctors))
        if self._size:
            self._store.load("blocked_times", self._blocked_times(facilities, doctors))

    def _stored(self, row: Row) -> Stored:
        return Stored(row, epoch_ms(self._now - _PAST), unsynced=False)

    def _facilities(self) -> list[Row]:
        first = self._rng.randrange(1_000, 9_000)
        rows = []
        for position, (name, city, postcode, latitude, longitude, zone) in enumerate(_PLACES):
            street = f"{self._rng.choice(_STREETS)} {self._rng.randrange(1, 90)}"
            mailbox = f"recepcia@{ascii_letters(name).replace(' ', '')}.example"
            row = {
                "id": first + 37 * position,
                "name": name,
                "address": {
                    "street": street,
                    "city": city,
                    "postcode": postcode,
                    "country": _COUNTRIES[zone],
                    "gps": {"latitude": latitude, "longitude": longitude},
                },
                "contact": {"phone": self._people.phone(), "email": mailbox},
                "timeZone": zone,
            }
            rows.append(row)
        self._store.load("facilities", map(self._stored, rows))
        return rows

    def _calendars(self, facilities: list[Row]) -> list[Doctor]:
        count = math.ceil(self._size * _SLACK / _SLOTS_PER_DOCTOR)
        today = self._now.date()
        rows, doctors = [], []
        for position in range(max(count, len(facilities) + 2)):
            facility = facilities[position % len(facilities)]
            services = [
                {
                    "id": 7001 + 10 * position + offset,
                    "name": name,
                    "note": "",
                    "duration": duration,
                    "capacity": capacity,
                    "referralLetter": letter,
                }
                for offset, (name, duration, capacity, letter) in enumerate(
                    self._rng.sample(_SERVICES, 3)
                )
            ]
            row = {
                "id": 3001 + 7 * position,
                "facilityId": facility["id"],
                "name": self._people.doctor(),
                "note": f"Ambulancia {position // len(facilities) + 1}",
                "validFrom": f"{(self._now - _PAST).date()}T00:00:00",
                "validTo": f"{today.replace(day=1, year=today.year + 2)}T00:00:00",
                "services": services,
                "intervals": _intervals(),
            }
            rows.append(row)
            leave = today.toordinal() - self._rng.randrange(10, 300)
            doctors.append(
                Doctor(
                    facility["id"],
                    ZoneInfo(facility["timeZone"]),
                    services,
                    range(leave, leave + self._rng.randrange(3, 12)),
                )
            )
        self._store.load("calendars", map(self._stored, rows))
        return doctors

    def _reservations(self, doctors: list[Doctor]) -> Iterator[Stored]:
        booked = []
        for doctor, start in self._slots(doctors):
            zone = doctors[doctor].zone
            lead = timedelta(days=self._rng.expovariate(1 / _LEAD_DAYS), minutes=5)
            start_ms = epoch_ms(start.replace(tzinfo=zone))
            created_ms = min(start_ms, epoch_ms(self._now)) - int(lead.total_seconds() * 1000)
            booked.append((created_ms, doctor, start))
        booked.sort()
        for row_id, (created_ms, doctor, start) in enumerate(booked, start=1_000_001):
            yield self._reservation(row_id, doctors[doctor], start, created_ms)

    def _slots(self, doctors: list[Doctor]) -> list[tuple[int, datetime]]:
        """Draw as many slots as bookings, weighted, none twice (Efraimidis and Spirakis)."""
        first = (self._now - _PAST).date()
        today = self._now.date()
        days = [first + timedelta(days=n) for n in range((_PAST + _AHEAD).days)]
        weights = [(day, _day_weight(day, first, today)) for day in days]
        times = [(h, m, weight) for h, weight in _HOURS.items() for m in (0, 30)]
        rng = self._rng.random
        drawn = []
        for doctor, who in enumerate(doctors if self._size else []):
            for day, day_weight in weights:
                if not day_weight or day.toordinal() in who.leave:
                    continue
                for hour, minute, weight in times:
                    key = math.log(1 - rng()) / (day_weight * weight)
                    drawn.append((key, doctor, day, hour, minute))
        drawn.sort(reverse=True)
        return [
            (doctor, datetime(day.year, day.month, day.day, hour, minute))  # noqa: DTZ001
            for _, doctor, day, hour, minute in drawn[: self._size]
        ]

    def _reservation(
        self, row_id: int, doctor: Doctor, start: datetime, created_ms: int
    ) -> Stored:
        rng = self._rng
        person = self._people.one(rng)
        service = rng.choice(doctor.services)
        now_ms = epoch_ms(self._now)
        start_ms = epoch_ms(start.replace(tzinfo=doctor.zone))
        end = start + timedelta(minutes=service["duration"])
        modified = min(now_ms, created_ms + rng.randrange(1_000, 86_400_000))
        status, cancelled = "CONFIRMED", None
        chance = rng.random()
        if chance < 0.09:  # noqa: PLR2004
            status = "CANCELLED"
            modified = rng.randrange(created_ms, min(now_ms, start_ms))
            cancelled = _wall(modified, doctor.zone)
        elif chance < 0.13 and start_ms + 3_600_000 < now_ms:  # noqa: PLR2004
            status = "DID_NOT_COME"
            modified = start_ms + 3_600_000
        recent = modified > now_ms - 3 * 86_400_000
        unsynced = rng.random() < (0.7 if recent else 0.03)
        row = {
            "id": row_id,
            "number": public_number(row_id),
            "facilityId": doctor.facility_id,
            "serviceId": service["id"],
            "service": service["name"],
            "status": status,
            "dateFrom": start.isoformat(),
            "dateTo": end.isoformat(),
            "duration": service["duration"],
            "created": _wall(created_ms, doctor.zone),
            "cancelTime": cancelled,
            "name": person.name,
            "surname": person.surname,
            "email": person.email,
            "phone": person.phone,
            "locale": person.locale,
            "note": rng.choice(_NOTES) if rng.random() < 0.15 else None,  # noqa: PLR2004
            "externalId": None if unsynced else 500_000 + row_id,
        }
        if cancelled:
            row["cancellationReason"] = rng.choice(_REASONS)
        return Stored(row, modified, unsynced)

    def _blocked_times(
        self, facilities: list[Row], doctors: list[Doctor]
    ) -> Iterator[Stored]:
        first, today = (self._now - _PAST).date(), self._now.date()
        blocked: list[tuple[int, str, str, str]] = []
        for facility in facilities:
            for number in range((_PAST + _AHEAD).days):
                day = first + timedelta(days=number)
                holiday = _HOLIDAYS.get((day.month, day.day))
                if holiday:
                    blocked.append(
                        (facility["id"], f"{day}T00:00:00", f"{day}T23:59:00", holiday)
                    )
                elif _WEEKDAYS[day.weekday()] > 0.5 and abs((day - today).days) <= 42:  # noqa: PLR2004
                    blocked.append((facility["id"], f"{day}T12:00:00", f"{day}T13:00:00", "Obed"))
        for doctor in doctors[: 10 * len(facilities)]:
            start = date.fromordinal(doctor.leave.start)
            end = date.fromordinal(doctor.leave.stop)
            blocked.append(
                (doctor.facility_id, f"{start}T08:00:00", f"{end}T16:00:00", "Dovolenka lekára")
            )
        now_ms = epoch_ms(self._now)
        self._rng.shuffle(blocked)
        for row_id, (facility_id, start_, end_, note) in enumerate(blocked, start=40_001):
            row = {
                "id": row_id,
                "facilityId": facility_id,
                "dateFrom": start_,
                "dateTo": end_,
                "note": note,
                "externalId": None if note == "Obed" else 900_000 + row_id,
            }
            yield Stored(row, now_ms - self._rng.randrange(_PAST.days * 86_400_000), unsynced=False)


_STREETS = ("Hlavná", "Štúrova", "Mlynská", "Hviezdoslavova", "Námestie slobody", "Záhradnícka")


def _day_weight(day: date, first: date, today: date) -> float:
    if (day.month, day.day) in _HOLIDAYS:
        return 0
    growth = 0.7 + 0.6 * (day - first).days / _PAST.days
    nearness = math.exp(-max(0, (day - today).days) / _LEAD_DAYS)
    return _WEEKDAYS[day.weekday()] * growth * nearness


def _intervals() -> list[Row]:
    days = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY")
    return [
        {"day": day, "from": start, "to": end}
        for day in days
        for start, end in (("08:00", "12:00"), ("13:00", "17:00"))
    ]


def _wall(moment_ms: int, zone: ZoneInfo) -> str:
    moment = datetime.fromtimestamp(moment_ms // 1000, zone)
    return moment.replace(tzinfo=None).isoformat()
