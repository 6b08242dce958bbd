"""Judges the clock, rate limits, kept connections and latency."""

from __future__ import annotations

import math
import re
import statistics
from typing import TYPE_CHECKING

from bookio_api.contract import Evidence
from bookio_api.responses import MIN_FAILURE, parse_http_date
from bookio_doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bookio_doctor.answers import Reply
    from bookio_doctor.observations import Survey

C, S, G, U = Evidence
HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict

_Seen = tuple[Verdict, str, str]
"""Verdict, observation and meaning."""

_MAX_SKEW_S = 60
_OWN_CLOCK = "bookmarks use this machine's clock; keep it accurate"
_TOO_MANY_REQUESTS = 429
_RATE_HEADER = re.compile(r"(x-)?rate-?limit[a-z-]{0,30}", re.IGNORECASE | re.ASCII)
_RATE_POLICY = re.compile(r"\b(?P<limit>[1-9]\d{0,5})\s*;\s*w=(?P<seconds>[1-9]\d{0,5})\b")
"""The form of the IETF's draft, a number of requests in a window of seconds."""
_FEW_RESPONSES = 3
_MAX_CONCURRENCY, _USUAL_CONCURRENCY = 16, 4
_PAGES_PER_SECOND = 50
"""More than any clinic needs: its reservations of a year in a few seconds."""
_SLOW_S = 1.0


def judge_clock(survey: Survey) -> Iterator[Finding]:
    """Judge the ``Date`` header, and how far the clocks are apart."""
    yield Finding("Date", "responses carry the server's time", G, *_clock_seen(survey))


def judge_transport(survey: Survey) -> Iterator[Finding]:
    """Judge rate limits, compression, kept connections and latency."""
    if not survey.replies:
        return
    yield Finding("rate limit", "no limit is announced", U, *_rate_limit_seen(survey))
    yield Finding("connection", "connections are kept", G, *_connection_seen(survey))
    yield Finding("latency", "responses come within a second", U, *_latency_seen(survey))


def _clock_seen(survey: Survey) -> _Seen:
    """Read the header as the client does, which ignores a clock that was never set."""
    if not survey.replies:
        return NOT_SHOWN, "no usable response came", ""
    sent = [reply for reply in survey.replies if reply.headers.get("Date")]
    if not sent:
        return DIFFERS, "no Date", _OWN_CLOCK
    for reply in sent:
        moment_ms = parse_http_date(reply.headers["Date"])
        if moment_ms is not None:
            skew_s = _skew_s(reply, moment_ms / 1000)
            seen = f"the clocks differ by {skew_s:.0f} s"
            if skew_s > _MAX_SKEW_S:
                return DIFFERS, seen, "bookmarks follow the server's clock"
            return HOLDS, seen, ""
    seen = "not a valid date, or one before September 2001, so it is ignored"
    return DIFFERS, seen, _OWN_CLOCK


def _skew_s(reply: Reply, date_s: float) -> float:
    """Return how far the clocks are apart at least.

    The date is of any moment from the request to the end of the response, without its fraction.
    """
    early, late = reply.asked_at - (date_s + 1), date_s - (reply.asked_at + reply.seconds)
    return max(0.0, early, late)


def _rate_limit_seen(survey: Survey) -> _Seen:
    names = {name for reply in survey.replies for name in reply.headers}
    limits = sorted(name for name in names if _RATE_HEADER.fullmatch(name))
    refused = sum(reply.status == _TOO_MANY_REQUESTS for reply in survey.replies)
    if refused:
        limits.append(f"HTTP {_TOO_MANY_REQUESTS} for {refused} of {len(survey.replies)} requests")
    if limits:
        announced, measured = _announced_pace(survey.replies), _measured_pace(survey.replies)
        how_many = "what Bookio allows"
        if announced:
            how_many = f"{announced:.2g}, as announced"
        elif measured:
            how_many = f"{how_many}; about {measured:.2g} came through"
        meaning = f"set requests_per_second to {how_many}"
        return DIFFERS, ", ".join(limits), meaning
    return NOT_SHOWN, "no such header", ""


def _announced_pace(replies: Sequence[Reply]) -> float | None:
    """Return the requests per second of a header such as ``RateLimit-Policy: 100;w=60``."""
    headers = [item for reply in replies for item in reply.headers.items()]
    limits = (_RATE_POLICY.search(v) for name, v in headers if _RATE_HEADER.fullmatch(name))
    return next((int(m["limit"]) / int(m["seconds"]) for m in limits if m), None)


def _measured_pace(replies: Sequence[Reply]) -> float | None:
    """Return the requests per second that came through, if a refusal ended before the survey did.

    They are those before the first refusal, by the seconds until the next one was accepted.
    """
    refused = [reply.status == _TOO_MANY_REQUESTS for reply in replies]
    accepted = refused.index(True) if True in refused else 0
    after = [reply.asked_at for reply in replies[accepted:] if reply.status != _TOO_MANY_REQUESTS]
    seconds = after[0] - replies[0].asked_at if accepted and after else 0
    return accepted / seconds if seconds > 0 else None


def _connection_seen(survey: Survey) -> _Seen:
    responses, opened = len(survey.replies), survey.connections
    zipped = any("gzip" in r.headers.get("Content-Encoding", "") for r in survey.replies)
    packed = "gzip" if zipped else "no gzip"
    seen = f"{packed}; {opened} opened for {responses} responses"
    if responses < _FEW_RESPONSES:
        return NOT_SHOWN, seen, ""
    # A few may break, but a server that closes them opens one for nearly every response.
    if opened * 2 > responses:
        return DIFFERS, seen, "each request opens a connection, which is slower but works"
    return HOLDS, seen, ""


def _latency_seen(survey: Survey) -> _Seen:
    """Suggest as many requests in flight as it takes to use the pace, but no more.

    Requests in flight are those per second, times the seconds that each takes. A slow server is
    not asked more at once than usual: it may be slow because it is busy.
    """
    answered = [reply for reply in survey.replies if reply.status < MIN_FAILURE]
    seconds = sorted(reply.seconds for reply in answered or survey.replies)
    median, slow = statistics.median(seconds), seconds[int(0.95 * (len(seconds) - 1))]
    seen = f"median {median * 1000:.0f} ms, 95th percentile {slow * 1000:.0f} ms"
    per_second = survey.requests_per_second
    enough = math.ceil((per_second or _PAGES_PER_SECOND) * median)
    most = _USUAL_CONCURRENCY if slow >= _SLOW_S else _MAX_CONCURRENCY
    suggested = max(1, min(most, enough))
    reason = f" with requests_per_second {per_second:g}" if per_second else ""
    meaning = f"a suggestion: max_concurrency {suggested}{reason}, if Bookio allows it"
    if slow >= _SLOW_S:
        return DIFFERS, seen, f"{meaning}; lower it if responses become slower"
    return HOLDS, seen, meaning
