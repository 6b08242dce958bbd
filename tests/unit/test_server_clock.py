"""Bookio's clock, as the target tracks it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from bookio_api.client import BookioClient
from bookio_sandbox.running import in_thread
from target_bookio.refresh.reading import Lists
from target_bookio.refresh.server_clock import DATE_RESOLUTION_MS, MAX_JUMPS, ServerClock


def test_a_slow_list_does_not_look_like_a_clock_set_back() -> None:
    """The time of a page is that of its arrival, however much later the page is read."""
    seconds = [0.0]
    clock = ServerClock(lambda: seconds[0])
    with in_thread(seed=1, size=0) as sandbox, ThreadPoolExecutor(1) as executor:
        client = BookioClient(auth_token=sandbox.token, api_url=sandbox.url)
        lists = Lists(client, clock, executor, 1)
        list(lists.read("calendars", None))
        for _ in lists.read("calendars", None):
            seconds[0] += 60
            sandbox.advance(seconds=60)
        client.close()
    assert clock.is_known
    assert clock.jumps == 0


@pytest.mark.parametrize("jump_ms", [60_000, -60_000])
def test_a_date_a_minute_off_means_that_the_clock_has_jumped(jump_ms: int) -> None:
    """The control: an answer whose time is a minute behind, or ahead, counts."""
    clock = ServerClock(lambda: 0.0)
    clock.hear(1_800_000_000_000)
    clock.hear(1_800_000_000_000 + jump_ms)
    assert clock.jumps == 1
    assert clock.now_ms() == 1_800_000_000_000 + jump_ms


def test_servers_that_disagree_about_the_time_are_not_believed() -> None:
    """After some jumps to and fro the clock keeps the latest time, so that waits can end."""
    clock = ServerClock(lambda: 0.0)
    for _ in range(MAX_JUMPS):
        clock.hear(1_800_000_060_000)
        clock.hear(1_800_000_000_000)
    assert clock.jumps == MAX_JUMPS
    assert clock.now_ms() == 1_800_000_060_000
    assert not clock.is_known


@pytest.mark.parametrize("margin_ms", [DATE_RESOLUTION_MS, 0])
def test_a_wait_is_never_shorter_than_required_on_bookios_clock(margin_ms: int) -> None:
    """With the resolution as margin no wait ends early; without it (the control) some do."""
    wait_ms, early = 200, 0
    for attempt_ended_ms in range(1_000_000, 1_001_000):
        bookio_ms = [attempt_ended_ms]
        clock = ServerClock(lambda now=bookio_ms: now[0] / 1000)
        clock.hear(bookio_ms[0] // 1000 * 1000)
        deadline = clock.now_ms() + wait_ms + margin_ms
        while clock.now_ms() < deadline:
            bookio_ms[0] += 1
            clock.hear(bookio_ms[0] // 1000 * 1000)
        early += bookio_ms[0] - attempt_ended_ms < wait_ms
    assert (early > 0) is (margin_ms == 0)


def test_the_first_date_and_each_jump_begin_a_frame() -> None:
    """Times of before the first ``Date`` count by this machine's clock, so they are restarted."""
    clock = ServerClock(lambda: 0.0)
    frames = [clock.frame]
    for date_ms in (1_800_000_000_000, 1_800_000_001_000, 1_800_000_060_000):
        clock.hear(date_ms)
        frames.append(clock.frame)
    assert frames == [0, 1, 1, 2]
