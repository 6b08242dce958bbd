"""The simulation of shards: small cases by hand, and the page that shows its figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench import scale
from bench.simulation import Clinic, Clock, Costs, Part, Seats, Setting, simulate, waves

FREE = Costs(0, 0, 0, 0)
EMPTY = Clinic(0, 0, 0)
SLOW = Setting(slots=1, latency_s=1.0, max_concurrency=4)


def test_jobs_take_seats_in_the_order_they_asked() -> None:
    clock, order = Clock(), []
    seats = Seats(clock, 2)

    def job(name: str):
        yield seats
        order.append((name, clock.now))
        yield 3.0
        seats.leave()

    for name in "abc":
        clock.start(job(name))
    assert clock.run() == 6
    assert order == [("a", 0), ("b", 0), ("c", 3)]


@pytest.mark.parametrize(
    ("rows", "is_full", "expected"),
    [
        (0, True, ((0,), (0,))),
        (0, False, ((0,),)),
        (40, False, ((40,),)),
        (40, True, ((40,), (0, 0))),
        (250, True, ((100,), (100, 70), (0, 0))),
    ],
)
def test_the_requests_of_a_scan_are_those_of_the_product(
    rows: int, *, is_full: bool, expected: tuple[tuple[int, ...], ...]
) -> None:
    """A page overlaps the one before by ten rows, and a first load looks behind the end."""
    assert waves(rows, is_full=is_full) == expected


def test_a_clinic_without_changes_costs_four_requests() -> None:
    """Facilities, blocked times, calendars and reservations, one after another."""
    result = simulate([Part([EMPTY])], SLOW, FREE)
    assert (result.requests, result.seconds) == (4, 4)


def test_calendars_can_be_read_separately() -> None:
    """Each process asks for the facilities; the lists of a clinic are divided among them."""
    apart = [Part([EMPTY] * 4, reads_calendars=False), Part([EMPTY] * 4, reads_changes=False)]
    result = simulate(apart, SLOW, FREE)
    assert (result.requests, result.seconds) == (14, 5)


def test_requests_in_flight_share_the_latency() -> None:
    """Eight clinics with four requests at once: two rounds for each of three lists."""
    result = simulate([Part([EMPTY] * 8)], SLOW, FREE)
    assert (result.requests, result.seconds) == (25, 7)


def test_the_request_budget_is_shared_by_the_slots_and_limits_the_total() -> None:
    """However many slots there are, requests start no faster than the budget says."""
    shards = [Part([EMPTY] * 100)] * 4
    for slots in (1, 2, 4):
        paced = Setting(slots, latency_s=0.1, requests_per_second=10)
        result = simulate(shards, paced, FREE)
        assert result.seconds == pytest.approx(result.requests / 10, rel=0.02)
    assert simulate(shards, replace(SLOW, latency_s=0.1), FREE).seconds < result.seconds


def test_cpu_is_used_by_one_thread_of_a_process_and_by_as_many_processes_as_cores() -> None:
    costs = Costs(0, 1, 0, 0)
    two = Setting(slots=2, latency_s=0, cores=2)
    assert simulate([Part([EMPTY])] * 2, two, costs).seconds == 4
    assert simulate([Part([EMPTY])] * 2, replace(two, cores=1), costs).seconds == 8


@pytest.mark.slow
def test_the_page_shows_the_results_of_the_simulation() -> None:
    """Where it differs: ``python -m bench.scale --write``."""
    page = scale.PAGE.read_text()
    assert scale.written(page) == page
    assert scale.marked("by budget", "other figures", page) != page
