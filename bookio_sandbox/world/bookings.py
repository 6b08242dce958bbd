"""The reservations of a seed: when patients see a doctor, and how the booking ends.

A booking takes a half-hour slot of a doctor's day. Slots are drawn by weight (weekday, hour,
growth, nearness), none twice, so that no doctor is overbooked. Ids follow the time of booking.
"""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.contract import CANCELLED, CONFIRMED, DID_NOT_COME
from bookio_sandbox.world.clock import epoch_ms, wall_time
from bookio_sandbox.world.services import public_number
from bookio_sandbox.world.store import Stored

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from bookio_sandbox.world.people import People

Row = dict[str, Any]

PAST = timedelta(days=548)
"""How far back the data goes: eighteen months."""
AHEAD = timedelta(days=42)
"""How far people book ahead."""

HOLIDAYS = {
    (1, 1): "Deň vzniku SR",
    (1, 6): "Zjavenie Pána",
    (5, 1): "Sviatok práce",
    (5, 8): "Deň víťazstva nad fašizmom",
    (7, 5): "Sviatok svätého Cyrila a Metoda",
    (8, 29): "Výročie SNP",
    (11, 1): "Sviatok všetkých svätých",
    (12, 24): "Štedrý deň",
    (12, 25): "Prvý sviatok vianočný",
    (12, 26): "Druhý sviatok vianočný",
}
_WEEKDAYS = (1.25, 1.1, 1.0, 1.05, 0.75, 0.12, 0)
_HOURS = {8: 0.9, 9: 1.3, 10: 1.25, 11: 1.0, 13: 0.8, 14: 0.9, 15: 0.7, 16: 0.4}
_GROWTH = 0.9
_LEAD = timedelta(days=9)

_CANCELLED, _NO_SHOW = 0.09, 0.04
_UNSYNCED_RECENTLY, _UNSYNCED_LATER = 0.7, 0.03
_RECENTLY = 3 * 86_400_000
_HOUR = 3_600_000
_WITH_NOTE = 0.15
_NOTES = ("Prvá návšteva", "Prosím zavolať vopred", "Bolesť", "Predpis", "Alergia na penicilín")
_REASONS = ("Choroba", "Nemôžem prísť", "Iný termín", "Cestujem", "Chyba v objednávke")


class Doctor(NamedTuple):
    """What the generator needs to know of a calendar."""

    facility_id: int
    zone: ZoneInfo
    services: list[Row]
    leave: range
    """Ordinals of the days on leave."""


class Bookings:
    """Makes up reservations."""

    def __init__(
        self, doctors: list[Doctor], people: People, rng: random.Random, now: datetime
    ) -> None:
        """Book ``people`` with ``doctors`` around ``now``, which carries an offset."""
        self._doctors = doctors
        self._people = people
        self._rng = rng
        self._now = now
        self._now_ms = epoch_ms(now)

    def rows(self, count: int) -> Iterator[Stored]:
        """Yield reservations by id; fewer than ``count`` only if the doctors have no more slots."""
        booked = []
        for number, start in self._slots(count):
            start_ms = epoch_ms(start.replace(tzinfo=self._doctors[number].zone))
            lead_ms = 300_000 + int(self._rng.expovariate(1 / _LEAD.total_seconds()) * 1000)
            booked.append((min(start_ms, self._now_ms) - lead_ms, number, start, start_ms))
        booked.sort()
        for row_id, (created_ms, number, start, start_ms) in enumerate(booked, start=1_000_001):
            yield self._row(row_id, self._doctors[number], start, start_ms, created_ms)

    def _slots(self, count: int) -> list[tuple[int, datetime]]:
        """Draw slots by weight, none twice (Efraimidis and Spirakis)."""
        first, today = (self._now - PAST).date(), self._now.date()
        days = [first + timedelta(days=n) for n in range((PAST + AHEAD).days)]
        weights = [(day, _day_weight(day, first, today)) for day in days]
        times = [(hour, minute, weight) for hour, weight in _HOURS.items() for minute in (0, 30)]
        chance = self._rng.random
        drawn = [
            (math.log(1 - chance()) / (day_weight * weight), number, day, hour, minute)
            for number, doctor in enumerate(self._doctors)
            for day, day_weight in weights
            if day_weight and day.toordinal() not in doctor.leave
            for hour, minute, weight in times
        ]
        drawn.sort(reverse=True)
        return [
            (number, datetime(day.year, day.month, day.day, hour, minute))  # noqa: DTZ001
            for _, number, day, hour, minute in drawn[:count]
        ]

    def _row(
        self, row_id: int, doctor: Doctor, start: datetime, start_ms: int, created_ms: int
    ) -> Stored:
        rng = self._rng
        service = rng.choice(doctor.services)
        status, modified = self._outcome(created_ms, start_ms)
        recently = modified > self._now_ms - _RECENTLY
        unsynced = rng.random() < (_UNSYNCED_RECENTLY if recently else _UNSYNCED_LATER)
        cancelled = status == CANCELLED
        row = {
            "id": row_id,
            "number": public_number(row_id),
            "facilityId": doctor.facility_id,
            "serviceId": service["id"],
            "service": service["name"],
            "status": status,
            "dateFrom": start.isoformat(),
            "dateTo": (start + timedelta(minutes=service["duration"])).isoformat(),
            "duration": service["duration"],
            "created": wall_time(created_ms, doctor.zone),
            "cancelTime": wall_time(modified, doctor.zone) if cancelled else None,
            **self._people.pick(rng)._asdict(),
            "note": rng.choice(_NOTES) if rng.random() < _WITH_NOTE else None,
            "externalId": None if unsynced else 500_000 + row_id,
        }
        if cancelled:
            row["cancellationReason"] = rng.choice(_REASONS)
        return Stored(row, modified, unsynced)

    def _outcome(self, created_ms: int, start_ms: int) -> tuple[str, int]:
        """Return the status of a booking, and when it was set (epoch ms)."""
        chance = self._rng.random()
        if chance < _CANCELLED:
            return CANCELLED, self._rng.randrange(created_ms, min(self._now_ms, start_ms))
        if chance < _CANCELLED + _NO_SHOW and start_ms + _HOUR < self._now_ms:
            return DID_NOT_COME, start_ms + _HOUR
        return CONFIRMED, min(self._now_ms, created_ms + self._rng.randrange(86_400_000))


def is_workday(day: date) -> bool:
    """Return whether clinics are open all day."""
    return day.weekday() < 5 and (day.month, day.day) not in HOLIDAYS  # noqa: PLR2004


def _day_weight(day: date, first: date, today: date) -> float:
    if (day.month, day.day) in HOLIDAYS:
        return 0
    growth = 1 + _GROWTH * (day - first) / PAST
    nearness = math.exp(min(timedelta(0), today - day) / _LEAD)
    return _WEEKDAYS[day.weekday()] * growth * nearness
