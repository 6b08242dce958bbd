"""The seeded world: the same for a seed, and plausible."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers
import pytest

from bookio_api.contract import ReservationStatus
from bookio_sandbox.world.clock import DEFAULT_START, epoch_ms
from bookio_sandbox.world.store import STREAMS, Store
from bookio_sandbox.world.world import World

SIZE = 3000
Row = dict[str, Any]
Streams = dict[str, list[Row]]


def make(seed: int, size: int = SIZE) -> Streams:
    """Build a world; return its rows by stream."""
    store = Store()
    World(store, seed, size, DEFAULT_START).build()
    return {
        stream: [
            stored.row | {"_modified": stored.modified, "_unsynced": stored.unsynced}
            for stored in store.rows(stream)
        ]
        for stream in STREAMS
    }


@pytest.fixture(scope="module")
def world() -> Streams:
    """Return the world of seed 11."""
    return make(11)


@pytest.fixture(scope="module")
def zones(world: Streams) -> dict[int, ZoneInfo]:
    """Return the time zone of each facility."""
    return {row["id"]: ZoneInfo(row["timeZone"]) for row in world["facilities"]}


def test_a_seed_decides_the_world(world: Streams) -> None:
    """The same seed builds the same rows, another seed builds others."""
    assert make(11) == world
    assert make(12)["reservations"] != world["reservations"]


@pytest.mark.parametrize("size", [0, 1, 40, 700])
def test_size_is_the_number_of_reservations(size: int) -> None:
    """There are facilities and calendars at any size, also 0."""
    rows = make(1, size)
    assert len(rows["reservations"]) == size
    assert rows["facilities"]
    assert rows["calendars"]


def test_the_number_of_facilities_is_as_requested() -> None:
    """Each has its own name, calendars and bookings."""
    store = Store()
    World(store, 1, 700, DEFAULT_START, facilities=12).build()
    facilities = {stored.row["id"]: stored.row["name"] for stored in store.rows("facilities")}
    assert len(facilities) == len(set(facilities.values())) == 12
    for stream in ("calendars", "reservations", "blocked_times"):
        assert {stored.row["facilityId"] for stored in store.rows(stream)} == facilities.keys()


def test_there_are_facilities_in_two_time_zones(world: Streams) -> None:
    """Postcodes are numbers, as in the vendor's sample (C)."""
    assert len(world["facilities"]) > 3
    assert {row["timeZone"] for row in world["facilities"]} >= {
        "Europe/Bratislava",
        "Atlantic/Canary",
    }
    assert all(isinstance(row["address"]["postcode"], int) for row in world["facilities"])


def test_phones_are_valid_and_email_domains_are_reserved(world: Streams) -> None:
    """No e-mail address can belong to a real person."""
    for row in world["reservations"]:
        assert re.fullmatch(r"\+4219\d{8}", row["phone"])
        assert phonenumbers.is_valid_number(phonenumbers.parse(row["phone"]))
        assert re.fullmatch(r"[a-z.0-9-]+@example\.(com|org|net)", row["email"]), row["email"]
    for row in world["facilities"]:
        assert phonenumbers.is_valid_number(phonenumbers.parse(row["contact"]["phone"]))
        assert re.fullmatch(r"[a-z]+@[a-z]+\.example", row["contact"]["email"])


def test_patients_return(world: Streams) -> None:
    """Patients have several reservations, but not all the same ones."""
    visits = Counter(row["email"] for row in world["reservations"])
    assert SIZE / 20 < len(visits) < SIZE / 2


def test_reservations_span_eighteen_months_and_grow(world: Streams) -> None:
    """They end six weeks ahead, and a month has more than a year before."""
    starts = sorted(row["dateFrom"] for row in world["reservations"])
    assert starts[0] < "2025-04"
    assert "2026-09-20" < starts[-1] < "2026-10-29"
    year = [sum(start.startswith(month) for start in starts) for month in ("2025-06", "2026-06")]
    assert year[1] > 1.2 * year[0]


def test_reservations_follow_weekdays_and_opening_hours(world: Streams) -> None:
    """Mondays and mornings are busy, Sundays are free."""
    starts = [datetime.fromisoformat(row["dateFrom"]) for row in world["reservations"]]
    weekdays = Counter(start.weekday() for start in starts)
    assert weekdays[0] > weekdays[4] > 4 * weekdays[5]
    assert weekdays[6] == 0
    hours = Counter(start.hour for start in starts)
    assert set(hours) == {8, 9, 10, 11, 13, 14, 15, 16}
    assert hours[9] > 2 * hours[16]


def test_statuses_are_as_frequent_as_in_a_clinic(world: Streams) -> None:
    """Only cancelled rows have a time and a reason, only unsynced ones lack an externalId."""
    rows = world["reservations"]
    statuses = Counter(row["status"] for row in rows)
    assert set(statuses) == set(ReservationStatus)
    assert 0.05 < statuses["CANCELLED"] / SIZE < 0.15
    assert 0.02 < statuses["DID_NOT_COME"] / SIZE < 0.08
    for row in rows:
        cancelled = row["status"] == "CANCELLED"
        assert (row["cancelTime"] is not None) is cancelled
        assert ("cancellationReason" in row) is cancelled
        assert (row["externalId"] is None) is row["_unsynced"]
    assert 0.01 < sum(row["_unsynced"] for row in rows) / SIZE < 0.2


def test_timestamps_of_a_row_are_in_order(world: Streams, zones: dict[int, ZoneInfo]) -> None:
    """Booked before it starts, before it ends; ids follow the time of booking."""
    now = epoch_ms(DEFAULT_START)
    created = []
    for row in world["reservations"]:
        zone = zones[row["facilityId"]]
        booked, start, end = (
            datetime.fromisoformat(row[field]).replace(tzinfo=zone)
            for field in ("created", "dateFrom", "dateTo")
        )
        assert booked < start < end
        assert end - start == timedelta(minutes=row["duration"])
        assert epoch_ms(booked) <= row["_modified"] <= now
        created.append(booked)
    assert created == sorted(created)


def test_public_numbers_are_unique(world: Streams) -> None:
    """Each reservation has its own six hexadecimal digits."""
    numbers = [row["number"] for row in world["reservations"]]
    assert len(set(numbers)) == SIZE
    assert all(re.fullmatch(r"[0-9a-f]{6}", number) for number in numbers)


def test_reservations_fit_their_calendars(world: Streams) -> None:
    """Each has a service of its facility, and no term is taken twice."""
    services = {
        service["id"]: (calendar["facilityId"], service["duration"], service["name"])
        for calendar in world["calendars"]
        for service in calendar["services"]
    }
    for row in world["reservations"]:
        booked = (row["facilityId"], row["duration"], row["service"])
        assert services[row["serviceId"]] == booked
    terms = Counter((row["serviceId"], row["dateFrom"]) for row in world["reservations"])
    assert max(terms.values()) == 1


def test_no_reservation_is_on_a_holiday(world: Streams) -> None:
    """There are lunch breaks, leave and holidays, and holidays are free of reservations."""
    notes = Counter(row["note"] for row in world["blocked_times"])
    assert {"Obed", "Dovolenka", "Štedrý deň"} <= set(notes)
    holidays = [row for row in world["blocked_times"] if row["dateTo"].endswith("T23:59:00")]
    for blocked in holidays:
        assert not [
            row
            for row in world["reservations"]
            if row["facilityId"] == blocked["facilityId"]
            and blocked["dateFrom"] <= row["dateFrom"] < blocked["dateTo"]
        ]
