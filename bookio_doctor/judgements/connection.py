"""Judges the clock, rate limits, kept connections and latency."""

from __future__ import annotations

import re
import statistics
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from bookio_api.contract import Evidence
from bookio_doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_doctor.observations import Survey

C, S, G, U = Evidence
HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict

_MAX_SKEW_S = 60
_MAX_CONCURRENCY = 16
_SECONDS_PER_PAGE = 0.02
"""Enough requests in flight for 50 pages a second, which no clinic needs to exceed."""
_RATE_HEADERS = re.compile(r"(?i)(x-)?rate-?limit|retry-after")


def judge_clock(survey: Survey) -> Iterator[Finding]:
    """Judge the ``Date`` header, and how far the clocks are apart."""
    reply = next((r for r in survey.replies if r.headers.get("Date")), None)
    if reply is None:
        meaning = "the bookmark uses this machine's clock; keep it accurate"
        yield Finding("Date", "responses carry the server's time", G, DIFFERS, "no Date", meaning)
        return
    try:
        skew = abs(parsedate_to_datetime(reply.headers["Date"]).timestamp() - reply.asked_at)
    except ValueError:
        yield Finding("Date", "responses carry the server's time", G, DIFFERS, "not a valid date")
        return
    far = skew > _MAX_SKEW_S
    yield Finding(
        "Date",
        "responses carry the server's time",
        G,
        DIFFERS if far else HOLDS,
        f"the clocks differ by {skew:.0f} s",
        "bookmarks follow the server's clock" if far else "",
    )


def judge_transport(survey: Survey) -> Iterator[Finding]:
    """Judge rate limits, compression, kept connections and latency."""
    replies = survey.replies
    if not replies:
        return
    headers = {name for reply in replies for name in reply.headers}
    limits = sorted(name for name in headers if _RATE_HEADERS.match(name))
    yield Finding(
        "rate limit",
        "no limit is announced",
        U,
        DIFFERS if limits else NOT_SHOWN,
        ", ".join(limits) or "no such header",
        "set requests_per_second" if limits else "",
    )
    zipped = any("gzip" in reply.headers.get("Content-Encoding", "") for reply in replies)
    kept = not any(reply.headers.get("Connection", "").lower() == "close" for reply in replies)
    packed = "gzip" if zipped else "no gzip"
    yield Finding(
        "connection",
        "connections are kept",
        G,
        HOLDS if kept else DIFFERS,
        f"{packed}; {'kept' if kept else 'closed after each response'}",
    )
    seconds = sorted(reply.seconds for reply in replies)
    median, slow = statistics.median(seconds), seconds[int(0.95 * (len(seconds) - 1))]
    useful = max(1, min(_MAX_CONCURRENCY, round(median / _SECONDS_PER_PAGE)))
    yield Finding(
        "latency",
        "responses come within a second",
        U,
        HOLDS if median < 1 else DIFFERS,
        f"median {median * 1000:.0f} ms, 95th percentile {slow * 1000:.0f} ms",
        f"max_concurrency {useful} is reasonable, if Bookio allows it",
    )
