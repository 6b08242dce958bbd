"""How many requests are worth having in flight, by the server's response times."""

from __future__ import annotations

import pytest

from bookio_api.scan.pages import Page
from bookio_api.scan.prefetch import Latency


class ManualClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def respond_after(self, latency: Latency, seconds: float) -> None:
        """Measure one request of this duration."""

        def fetch(_offset: int) -> Page:
            self.now_s += seconds
            return Page([])

        latency.measure(fetch, 0)


@pytest.mark.parametrize(
    ("milliseconds", "expected"), [(0.3, 0), (0.8, 1), (3, 4), (20, 28), (100, 32)]
)
def test_slower_responses_allow_more_requests_in_flight(milliseconds, expected):
    """One request for each time that a page could be processed while a response is awaited."""
    clock = ManualClock()
    latency = Latency(clock)
    clock.respond_after(latency, milliseconds / 1000)
    assert latency.useful_requests(32) == expected


def test_a_server_counts_as_slow_until_measured():
    """Before the first response every request allowed is worth having in flight."""
    assert Latency(ManualClock()).useful_requests(32) == 32


def test_the_shortest_of_the_last_eight_responses_counts():
    """One slow response changes nothing, and an old fast one is forgotten."""
    clock = ManualClock()
    latency = Latency(clock)
    for seconds in (0.0001, *[0.1] * 7):
        clock.respond_after(latency, seconds)
    assert latency.useful_requests(8) == 0
    clock.respond_after(latency, 0.1)
    assert latency.useful_requests(8) == 8
