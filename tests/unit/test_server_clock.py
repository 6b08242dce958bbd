"""Bookio's clock, as the target tracks it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from bookio_api.client import BookioClient
from bookio_sandbox.running import in_thread
from target_bookio.refresh.reading import Lists
from target_bookio.refresh.server_clock import ServerClock


def test_a_list_that_takes_long_to_read_is_not_a_clock_that_went_back() -> None:
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
    assert clock.times_back == 0


def test_a_date_from_before_is_a_clock_that_went_back() -> None:
    """The control: an answer whose time is a minute behind counts."""
    clock = ServerClock(lambda: 0.0)
    clock.hear(1_800_000_060_000)
    clock.hear(1_800_000_000_000)
    assert clock.times_back == 1
