"""What the doctor concludes from headers, connections and latency."""

from __future__ import annotations

from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from bookio_doctor.finding import Finding, Verdict
from bookio_doctor.judgements.connection import judge_clock, judge_transport
from tests.surveys import by_topic, reply, survey

HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict
NOW_S = 1_530_273_600.0


def judged(
    topic: str, *, replies: int = 20, seconds: float = 0.1, status: int = 200, **parts: Any
) -> Finding:
    headers = parts.pop("headers", {})
    came = replace(reply(status, **headers), asked_at=NOW_S, seconds=seconds)
    taken = survey(replies=(came,) * replies, **{"connections": 1, **parts})
    return by_topic([*judge_clock(taken), *judge_transport(taken)])[topic]


@pytest.mark.parametrize(
    ("date", "verdict", "seen"),
    [
        (formatdate(NOW_S, usegmt=True), HOLDS, "by 0 s"),
        (formatdate(NOW_S - 3600, usegmt=True), DIFFERS, "by 3599 s"),
        ("Thu, 01 Jan 1970 00:00:10 GMT", DIFFERS, "ignored"),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", DIFFERS, "ignored"),
        ("gestern", DIFFERS, "ignored"),
        ("", DIFFERS, "no Date"),
    ],
)
def test_a_date_is_judged_as_the_client_reads_it(date, verdict, seen) -> None:
    """A clock that was never set is ignored, so it does not count as one that is wrong."""
    finding = judged("Date", headers={"Date": date})
    assert finding.verdict == verdict
    assert seen in finding.seen


def test_a_slow_response_is_no_difference_between_clocks() -> None:
    """Its date may be of any moment until it was complete."""
    headers = {"Date": formatdate(NOW_S + 90, usegmt=True)}
    assert judged("Date", seconds=95, headers=headers).verdict == HOLDS


def test_no_response_shows_nothing_of_a_date() -> None:
    assert judged("Date", replies=0).verdict == NOT_SHOWN


@pytest.mark.parametrize(
    ("replies", "connections", "verdict"),
    [(20, 1, HOLDS), (20, 3, HOLDS), (20, 20, DIFFERS), (2, 1, NOT_SHOWN)],
)
def test_connections_are_counted(replies, connections, verdict) -> None:
    """No header need say that the server closes each of them."""
    assert judged("connection", replies=replies, connections=connections).verdict == verdict


@pytest.mark.parametrize(
    ("status", "headers", "verdict", "seen"),
    [
        (200, {"X-RateLimit-Remaining": "1"}, DIFFERS, "X-RateLimit-Remaining"),
        (200, {"X-RateLimit-421905777123": "1"}, NOT_SHOWN, "no such header"),
        (503, {"Retry-After": "3"}, NOT_SHOWN, "no such header"),
        (429, {}, DIFFERS, "HTTP 429 for 20 of 20 requests"),
    ],
)
def test_a_rate_limit_is_announced_by_headers_or_shown_by_429(
    status, headers, verdict, seen
) -> None:
    finding = judged("rate limit", status=status, headers=headers)
    assert (finding.verdict, finding.seen) == (verdict, seen)


@pytest.mark.parametrize(
    ("statuses", "headers", "meaning"),
    [
        ([200] * 6 + [429, 429, 200], {}, "what Bookio allows; about 0.75 came through"),
        ([200] * 6 + [429, 429], {}, "what Bookio allows"),
        ([429, 200], {}, "what Bookio allows"),
        ([200], {"RateLimit-Policy": "120;w=60"}, "2, as announced"),
        ([200], {"X-RateLimit-Limit": "120"}, "what Bookio allows"),
    ],
)
def test_a_pace_is_named_where_one_was_announced_or_measured(statuses, headers, meaning) -> None:
    """Measured is what came through in all until the server accepted requests again."""
    replies = tuple(
        replace(reply(status, **headers), asked_at=NOW_S + second)
        for second, status in enumerate(statuses)
    )
    findings = by_topic(judge_transport(survey(replies=replies, connections=1)))
    assert findings["rate limit"].meaning == f"set requests_per_second to {meaning}"


@pytest.mark.parametrize(
    ("seconds", "per_second", "suggested"),
    [
        (0.002, None, 1),
        (0.1, None, 5),
        (0.9, None, 16),
        (0.5, 10, 5),
        (9.5, None, 4),
        (9.5, 0.1, 1),
    ],
)
def test_a_slow_server_is_not_asked_more_at_once(seconds, per_second, suggested) -> None:
    finding = judged("latency", seconds=seconds, requests_per_second=per_second)
    assert f"a suggestion: max_concurrency {suggested}" in finding.meaning
    assert finding.verdict == (DIFFERS if seconds > 1 else HOLDS)
