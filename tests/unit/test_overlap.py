"""Bookings that a blocked time would cover, and terms beyond their capacity."""

from __future__ import annotations

from typing import Any

import pytest

from target_bookio.plan.overlap import Occupancy, Service, services_of

SERVICES = {3: Service(capacity=2, duration=30), 4: Service(capacity=1, duration=None)}


def booking(number: int, start: str, end: str | None, **more: Any) -> dict[str, Any]:
    day = "2026-12-01T"
    return {
        "id": number,
        "facilityId": 1,
        "serviceId": 3,
        "status": "CONFIRMED",
        "dateFrom": f"{day}{start}:00",
        "dateTo": end and f"{day}{end}:00",
        **more,
    }


def block(start: str, end: str, **more: Any) -> dict[str, Any]:
    return {**booking(9, start, end), "serviceId": None, "status": None, **more}


@pytest.fixture
def clinic() -> Occupancy:
    rows = [
        booking(1, "08:00", "08:30"),
        booking(2, "08:15", "08:45"),
        booking(3, "09:00", None),
        booking(4, "10:00", "10:30", status="CANCELLED"),
        booking(5, "08:00", "08:30", facilityId=2),
        booking(6, "11:00", "11:15", serviceId=4),
    ]
    return Occupancy(rows, SERVICES)


@pytest.mark.parametrize(
    ("start", "end", "covered"),
    [
        ("07:00", "08:00", ()),
        ("07:00", "08:01", ("id:1",)),
        ("08:30", "08:40", ("id:2",)),
        ("08:00", "09:30", ("id:1", "id:2", "id:3")),
        ("09:29", "09:40", ("id:3",)),
        ("09:30", "10:45", ()),
    ],
)
def test_a_blocked_time_covers_confirmed_reservations_of_its_facility(
    clinic: Occupancy, start: str, end: str, covered: tuple[str, ...]
) -> None:
    """Bookings that end as it begins do not count, nor do cancelled ones or another facility's."""
    assert clinic.overlaps("blocked_times", "new", block(start, end)) == covered


def test_a_blocked_time_over_many_days_covers_the_days_between(clinic: Occupancy) -> None:
    long = block("08:00", "08:00", dateFrom="2026-11-01T00:00:00", dateTo="2027-11-01T00:00:00")
    assert clinic.overlaps("blocked_times", "new", long) == ("id:1", "id:2", "id:3", "id:6")


@pytest.mark.parametrize(
    ("new", "others"),
    [
        (booking(7, "08:00", "08:15"), ()),  # one more at 08:00, of two
        (booking(7, "08:00", "08:30"), ("id:1", "id:2")),  # the third at 08:15
        (booking(7, "08:30", None), ()),  # id:1 is over
        (booking(7, "08:15", "08:20", serviceId=4), ()),  # of another service
        (booking(7, "11:10", "11:20", serviceId=4), ("id:6",)),
        (booking(7, "11:10", "11:20", serviceId=5), ()),  # an unknown service
        (booking(7, "08:15", "08:20", status="CANCELLED"), ()),
        (booking(1, "08:05", "08:35"), ()),  # moves away from its own place
    ],
)
def test_overlaps_are_counted_against_the_services_capacity(
    clinic: Occupancy, new: dict[str, Any], others: tuple[str, ...]
) -> None:
    assert clinic.overlaps("reservations", f"id:{new['id']}", new) == others


def test_bookings_of_the_run_itself_count(clinic: Occupancy) -> None:
    """Two new bookings of one run overlap with each other, and a cancelled one frees its place."""
    first, second = (booking(n, "11:00", "11:15", serviceId=4) for n in (7, 8))
    clinic.put("id:6", None)
    assert clinic.overlaps("reservations", "externalId:7", first) == ()
    clinic.put("externalId:7", first)
    assert clinic.overlaps("reservations", "externalId:8", second) == ("externalId:7",)
    clinic.put("externalId:7", {**first, "status": "CANCELLED"})
    assert clinic.overlaps("reservations", "externalId:8", second) == ()


def test_a_row_without_a_known_term_overlaps_with_nothing(clinic: Occupancy) -> None:
    for term in ({"dateFrom": None}, {"dateTo": "2026-12-01T07:00:00"}, {"dateFrom": "soon"}):
        assert clinic.overlaps("blocked_times", "new", {**block("08:00", "09:00"), **term}) == ()


def test_services_are_those_of_the_calendars() -> None:
    services = [{"id": 3, "capacity": 2, "duration": 30}, {"id": 4, "capacity": "many"}, {"x": 1}]
    assert services_of([{"services": services}, {"services": None}]) == {
        3: Service(2, 30),
        4: Service(None, None),
    }
