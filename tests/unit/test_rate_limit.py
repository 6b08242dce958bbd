"""429 slows all threads down together, and the pace is kept; with a manual clock."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from bookio_api.client import BookioClient
from bookio_api.errors import RateLimitError
from bookio_api.http.deadlines import StoppedError
from bookio_api.http.rate_limit import MAX_RETRY_AFTER_S, RequestGate, parse_retry_after
from bookio_api.http.retries import RetryPolicy
from bookio_api.responses import parse_http_date
from tests.manual_clock import ManualClock

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox

POLICY = RetryPolicy(min_pause_s=1, max_pause_s=30, max_wait_s=300)
LEAST, MOST = 0.75, 1.25
"""Random spread of a pause."""
QUICK = RetryPolicy(min_backoff_s=0.01, min_pause_s=0.01, max_pause_s=0.05, max_wait_s=0.5)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def gate_with(clock: ManualClock, per_second: float = 0) -> RequestGate:
    return RequestGate(per_second, POLICY, clock, clock)


def passing(gate: RequestGate, clock: ManualClock) -> float:
    """Return the seconds that the next request waits."""
    before = clock.now
    gate.wait()
    return clock.now - before


def test_without_a_limit_nothing_waits(clock: ManualClock) -> None:
    """Without a pace and without 429 nothing waits."""
    gate = gate_with(clock)
    assert [passing(gate, clock) for _ in range(5)] == [0] * 5
    assert not clock.waits


def test_requests_are_spaced_evenly(clock: ManualClock) -> None:
    """``requests_per_second`` bounds the starts in any second."""
    gate = gate_with(clock, per_second=4)
    waits = [passing(gate, clock) for _ in range(9)]
    assert waits == [0] + [0.25] * 8


def test_a_retry_after_holds_every_request(clock: ManualClock) -> None:
    """A ``Retry-After`` that one thread gets applies to all, to the second."""
    gate = gate_with(clock)
    gate.refused(gate.wait(), 60)
    assert passing(gate, clock) == pytest.approx(60)
    assert passing(gate, clock) == 0, "and then the gate is open"


def test_the_pause_doubles_with_each_refusal_and_halves_with_each_success(
    clock: ManualClock,
) -> None:
    """Without a ``Retry-After`` the pause grows to its bound, and recovers to nothing."""
    gate = gate_with(clock)
    grown = []
    for _ in range(7):
        gate.refused(gate.wait(), None)
        grown.append(passing(gate, clock))
    for wait, expected in zip(grown, (1, 2, 4, 8, 16, 30, 30), strict=True):
        assert wait >= expected * LEAST
        assert wait <= expected * MOST
    recovered = []
    while not recovered or recovered[-1]:
        gate.succeeded(gate.wait(), "list_reservations")
        recovered.append(passing(gate, clock))
    assert recovered == sorted(recovered, reverse=True)
    assert passing(gate, clock) == 0
    assert sum(recovered) <= 60


def test_simultaneous_refusals_count_once(clock: ManualClock) -> None:
    """Thirty-two threads that hit the same limit do not double the pause thirty-two times."""
    gate = gate_with(clock)
    tickets = [gate.wait() for _ in range(32)]
    for ticket in tickets:
        gate.refused(ticket, None)
    assert passing(gate, clock) <= MOST


def test_a_success_from_before_the_refusal_does_not_shorten_the_pause(clock: ManualClock) -> None:
    """A response that was under way says nothing about the limit that was hit since."""
    gate = gate_with(clock)
    early, late = gate.wait(), gate.wait()
    gate.refused(early, None)
    gate.succeeded(late, "list_reservations")
    assert passing(gate, clock) >= LEAST


def test_the_time_limit_counts_from_the_last_success_of_an_operation(clock: ManualClock) -> None:
    """A list that makes progress is not given up; one that never responds is."""
    gate = gate_with(clock)
    gate.refused(gate.wait(), None)
    first_refused = clock.now
    clock.now += 299
    assert not gate.is_hopeless("list_reservations", first_refused)
    gate.succeeded(gate.wait(), "list_reservations")
    clock.now += 299
    assert not gate.is_hopeless("list_reservations", first_refused)
    assert gate.is_hopeless("list_calendars", first_refused)
    clock.now += 1
    assert gate.is_hopeless("list_reservations", first_refused)


def test_a_stop_ends_every_wait() -> None:
    """SIGTERM is not kept waiting by a server that asks for minutes."""
    stopped = threading.Event()
    gate = RequestGate(0, POLICY, stopped)
    gate.refused(gate.wait(), 300)
    with ThreadPoolExecutor() as executor:
        waiting = [executor.submit(gate.wait) for _ in range(4)]
        stopped.set()
        assert all(isinstance(each.exception(20), StoppedError) for each in waiting)


NOW = datetime(2026, 9, 16, 6, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5),
        (" 5 ", 5),
        ("0005", 5),
        ("1.5", 1.5),
        ("300", 300),
        ("9" * 30, MAX_RETRY_AFTER_S),
        ("9" * 5000, MAX_RETRY_AFTER_S),
        (format_datetime(NOW + timedelta(seconds=5), usegmt=True), 5),
        ("Mon, 01 Jan 2399 00:00:00 GMT", MAX_RETRY_AFTER_S),
        ("0", None),
        ("-5", None),
        ("", None),
        (None, None),
        ("soon", None),
        ("²", None),
        (format_datetime(NOW - timedelta(seconds=5), usegmt=True), None),
        ("Mon, 99 Foo 2026 25:61:61 GMT", None),
        ("Mon, 01 Jan 99999 00:00:00 GMT", None),
    ],
    ids=lambda value: str(value)[:32],
)
def test_retry_after_is_read_with_the_servers_clock(
    header: str | None, seconds: float | None
) -> None:
    """Seconds or a date; a zero, negative or invalid value is ignored."""
    assert parse_retry_after(header, NOW_MS) == seconds


@pytest.mark.parametrize(
    "form",
    ["%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S -0000", "%a, %d %b %Y %H:%M:%S"],
    ids=["asctime", "-0000", "no zone"],
)
def test_a_date_without_a_zone_is_in_utc(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a bookmark would lie hours ahead of Bookio's clock, and changes would be lost."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert parse_http_date(NOW.strftime(form)) == NOW_MS
        assert parse_retry_after((NOW + timedelta(seconds=5)).strftime(form), NOW_MS) == 5
    finally:
        monkeypatch.undo()
        time.tzset()


def test_more_refusals_than_attempts_are_survived(sandbox: Sandbox) -> None:
    """More refusals than attempts are survived; four threads do not send four times as many."""
    sandbox.script("list_calendars", {"status": 429, "times": 12})
    patient = replace(QUICK, max_wait_s=60)  # on a busy machine, too
    client = BookioClient(auth_token=sandbox.token, api_url=sandbox.url, retry_policy=patient)
    with ThreadPoolExecutor(4) as executor:
        calls = [executor.submit(client.call, "list_calendars") for _ in range(4)]
        assert all(call.result(20).data for call in calls)
    client.close()
    assert len(sandbox.requests("list_calendars")) == 12 + 4


@pytest.mark.parametrize("operation", ["list_calendars", "create_reservation"])
@pytest.mark.parametrize("header", [{}, {"Retry-After": "0"}])
def test_a_limit_that_lasts_too_long_ends_the_run(
    sandbox: Sandbox, operation: str, header: dict[str, str]
) -> None:
    """It gives up eventually and names the setting; 0 seconds is not a busy loop."""
    sandbox.script(operation, {"status": 429, "headers": header, "times": 1000})
    client = BookioClient(auth_token=sandbox.token, api_url=sandbox.url, retry_policy=QUICK)
    with pytest.raises(RateLimitError, match=r"too many requests .*set requests_per_second"):
        client.call(operation, body={"externalId": 1})
    client.close()
    most = 2 + 2 * QUICK.max_wait_s / QUICK.min_pause_s
    assert QUICK.max_attempts < len(sandbox.requests(operation)) < most


@pytest.mark.parametrize("header", ["301", "9" * 5000, "Mon, 01 Jan 2399 00:00:00 GMT"])
def test_a_wait_beyond_five_minutes_ends_the_run_at_once(sandbox: Sandbox, header: str) -> None:
    """The message says when to come back, and nothing more is sent."""
    sandbox.script("list_calendars", {"status": 429, "headers": {"Retry-After": header}})
    client = BookioClient(auth_token=sandbox.token, api_url=sandbox.url)
    with pytest.raises(RateLimitError, match="come back at 2"):
        client.call("list_calendars")
    client.close()
    assert len(sandbox.requests("list_calendars")) == 1
