"""How the doctor sends its questions: with the client's parts, within limits."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from bookio_api.contract import OPERATIONS
from bookio_doctor.probe import MAX_REQUESTS, Probe
from tests.drip import HEAD, dripping
from tests.scripted_bookio import Request, Response, clinic, scripted_bookio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bookio_doctor.answers import Answer

CALENDARS = OPERATIONS["list_calendars"]
QUICK = 0.3


@contextmanager
def probing(url: str, *, deadline_s: float = 30, **settings: Any) -> Iterator[Probe]:
    probe = Probe({"auth_token": "t0ken", "api_url": url, **settings}, deadline_s=deadline_s)
    try:
        yield probe
    finally:
        probe.close()


def asked(response: Response) -> tuple[Answer, int]:
    """Return what came of one question, and how many requests it took."""
    with scripted_bookio(lambda _: response) as bookio, probing(bookio.url) as probe:
        return probe.get(CALENDARS), len(bookio.requests)


def test_a_list_is_asked_with_get_whatever_its_method() -> None:
    """The survey's only door cannot send anything else."""
    with scripted_bookio() as bookio, probing(bookio.url) as probe:
        assert probe.get(OPERATIONS["create_calendar"]).error is None
        assert [request.method for request in bookio.requests] == ["GET"]


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (HEAD + b"Content-Length: 400\r\n\r\n", b" "),
        (HEAD, b"X-Slow: 1\r\n"),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 400\r\n\r\n", b" "),
    ],
    ids=["body", "headers", "redirect"],
)
def test_a_server_that_drips_gets_one_timeout(head: bytes, drop: bytes) -> None:
    """Bytes that keep coming do not keep a question alive, and it is not repeated."""
    with dripping(head, drop) as bookio, probing(bookio.url, request_timeout=QUICK) as probe:
        answer = probe.get(CALENDARS)
        assert answer.is_unanswered
        assert answer.said == "no response in time"
        assert bookio.asked == 1


def test_the_time_limit_starts_with_the_first_request() -> None:
    """A minute before the user agreed does not count; this one is over at once."""
    with dripping() as bookio, probing(bookio.url, deadline_s=0) as probe:
        assert probe.get(CALENDARS).said == "no response until the time was up"
        assert probe.get(CALENDARS).said == "not asked, because the time was up"
        assert bookio.asked <= 1


def test_the_number_of_requests_is_limited() -> None:
    """A request that is repeated counts, too: the last one fails, and is not repeated."""
    good_ones = iter(range(MAX_REQUESTS - 1))

    def answer(request: Request) -> Response:
        return Response(503) if next(good_ones, None) is None else clinic(request)

    with scripted_bookio(answer) as bookio, probing(bookio.url) as probe:
        answers = [probe.get(CALENDARS) for _ in range(MAX_REQUESTS + 1)]
        assert len(bookio.requests) == probe.requests == MAX_REQUESTS
    assert answers[-2].said == "the server failed (HTTP 503)"
    assert answers[-1].said == "not asked, because the limit of 60 requests was reached"


@pytest.mark.parametrize("location", ["/login", "http://[::1/login", "/prihl\xe1senie"])
def test_a_redirect_is_an_answer_wherever_it_leads(location: str) -> None:
    answer, requests = asked(Response(302, "", {"Location": location}))
    assert answer.is_refused
    assert requests == 1


def test_a_netrc_does_not_replace_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login joe password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with scripted_bookio() as bookio, probing(bookio.url) as probe:
        probe.get(CALENDARS)
        assert bookio.requests[0].headers["Authorization"] == "Bearer t0ken"


def test_a_retry_after_is_obeyed() -> None:
    """The question is asked again when the server says so; the refusal is kept as a response."""
    waits = iter([Response(429, None, {"Retry-After": "0.2"})])

    def answer(request: Request) -> Response:
        return next(waits, None) or clinic(request)

    with scripted_bookio(answer) as bookio, probing(bookio.url) as probe:
        assert probe.get(CALENDARS).rows == [{"id": 5}]
        assert [reply.status for reply in probe.replies] == [429, 200]


@pytest.mark.parametrize(
    "response",
    [
        Response(429, None, {"Retry-After": "3600"}),
        Response(503, "<html>busy"),
        Response(200, {"result": {"success": False, "errorCode": 666}}),
    ],
)
def test_a_busy_server_has_not_answered(response: Response) -> None:
    """It says nothing about the path, so no other is tried."""
    answer, _ = asked(response)
    assert answer.is_unanswered
    assert not answer.may_be_elsewhere


@pytest.mark.parametrize(
    ("response", "elsewhere"),
    [
        (Response(404, "<html>"), True),
        (Response(400, {"message": "unknown"}), True),
        (Response(200, {"result": {"success": False, "code": 404}}), True),
        (Response(200, {"result": {"success": True, "code": 404, "data": {}}}), True),
        (Response(200, "<html>the app"), True),
        (Response(200, {"result": {"success": False, "code": 10}}), False),
        (Response(403, "<html>"), False),
        (Response(400, {"result": {"success": False, "code": 20}}), False),
    ],
)
def test_only_an_unknown_path_is_looked_for_elsewhere(
    response: Response, *, elsewhere: bool
) -> None:
    answer, _ = asked(response)
    assert answer.may_be_elsewhere is elsewhere


@pytest.mark.parametrize("date", ["Mon, 01 Jan 99999999999 00:00:00 GMT", "yesterday"])
def test_headers_can_be_anything(date: str) -> None:
    answer, _ = asked(Response(400, {"code": "9" * 5000}, {"Date": date}))
    assert answer.is_refused
