"""Requests under way: as many as answers are slower than we are."""

from __future__ import annotations

import pytest

from bookio_api.scan import prefetch as latency
from bookio_api.scan.prefetch import Latency


class Clock:
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(latency, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("milliseconds", "expected"), [(0.3, 0), (0.8, 1), (3, 4), (20, 28), (100, 32)]
)
def test_slow_answers_are_asked_for_together(
    clock: Clock, milliseconds: float, expected: int
) -> None:
    watched = Latency()

    def ask(offset: int) -> int:
        clock.now += milliseconds / 1000
        return offset

    assert watched.useful(32) == 32, "until it has shown that it is near"
    assert watched.of(ask, 90) == 90
    assert watched.useful(32) == expected


def test_the_quickest_of_the_last_few_counts_and_is_forgotten(clock: Clock) -> None:
    watched = Latency()
    for seconds in (0.0001, *[0.1] * 7):
        watched.of(lambda s: setattr(clock, "now", clock.now + s), seconds)
    assert watched.useful(8) == 0
    watched.of(lambda s: setattr(clock, "now", clock.now + s), 0.1)
    assert watched.useful(8) == 8
