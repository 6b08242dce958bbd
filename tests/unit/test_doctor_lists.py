"""Which lists the doctor finds, and what it says of those that it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bookio_doctor.finding import Finding, Verdict
from bookio_doctor.judgements import judge
from bookio_doctor.judgements.lists import judge_envelope, judge_lists
from bookio_doctor.probe import Probe
from bookio_doctor.quick import check_lists
from bookio_doctor.survey import survey, survey_lists
from tests.scripted_bookio import Request, Response, clinic, listed, refused, scripted_bookio
from tests.surveys import by_topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from bookio_doctor.observations import Survey
    from tests.scripted_bookio import ScriptedBookio

HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict


def instead(path: str, response: Response) -> Callable[[Request], Response]:
    """Return a clinic that answers one path differently."""
    return lambda request: response if request.path == path else clinic(request)


def everywhere(change: Callable[[Any, str], Any]) -> Callable[[Request], Response]:
    """Return a clinic whose successful lists come in another envelope: ``change(data, key)``."""

    def answer(request: Request) -> Response:
        response = clinic(request)
        if response.status != 200:
            return response
        data = response.body["result"]["data"]
        return Response(200, change(data, next(iter(data))))

    return answer


def surveyed(
    answer: Callable[[Request], Response] = clinic, *, fully: bool = False, **settings: Any
) -> tuple[Survey, ScriptedBookio]:
    with scripted_bookio(answer) as bookio:
        given = {"auth_token": "t0ken", "api_url": bookio.url, "request_timeout": 5, **settings}
        probe = Probe(given)
        try:
            return (survey if fully else survey_lists)(probe, given), bookio
        finally:
            probe.close()


def findings_of(
    answer: Callable[[Request], Response] = clinic, **settings: Any
) -> dict[str, Finding]:
    seen, _ = surveyed(answer, **settings)
    return by_topic([*judge_lists(seen), *judge_envelope(seen)])


def test_a_post_override_of_a_list_is_never_sent() -> None:
    """Neither to its own path nor to another; the report says so, and proposes what works."""
    overrides = {"list_reservations": "POST /search", "confirm_sync": "PUT /c/{reservationId}"}
    seen, bookio = surveyed(fully=True, endpoint_overrides=overrides)
    assert {request.method for request in bookio.requests} == {"GET"}
    assert "/search" not in {request.path for request in bookio.requests}
    finding = by_topic(judge_lists(seen))["list_reservations"]
    assert finding.verdict is DIFFERS
    assert "POST /search was not sent" in finding.seen
    assert finding.overrides == {**overrides, "list_reservations": "GET /reservations"}


def test_a_post_override_without_another_path_blocks() -> None:
    answer = instead("/reservations", refused(404, 404))
    overrides = {"list_reservations": "POST /search"}
    finding = findings_of(answer, endpoint_overrides=overrides)["list_reservations"]
    assert finding.verdict is BLOCKS
    assert "POST /search was not sent" in finding.seen


def test_a_wrong_override_differs_even_if_another_path_works() -> None:
    finding = findings_of(endpoint_overrides={"list_calendars": "GET /wrong"})["list_calendars"]
    assert finding.verdict is DIFFERS
    assert finding.meaning == "correct endpoint_overrides"
    assert finding.overrides == {"list_calendars": "GET /calendars"}


def test_a_right_override_holds_and_is_kept_among_the_suggestions() -> None:
    """Suggested settings replace the whole setting, so they contain what was right before."""

    def answer(request: Request) -> Response:
        moved = {"/bookings": "/reservations", "/blocks": "/blocked-times"}
        gone = request.path in moved.values()
        path = "/" if gone else moved.get(request.path, request.path)
        return clinic(request._replace(path=path))

    right = {"list_reservations": "GET /bookings"}
    findings = findings_of(answer, endpoint_overrides=right)
    assert findings["list_reservations"].verdict is HOLDS
    assert findings["list_blocked_times"].overrides == {
        **right,
        "list_blocked_times": "GET /blocks",
    }


@pytest.mark.parametrize(
    ("response", "seen"),
    [
        (Response(503, "<html>busy"), "not read: the server failed (HTTP 503)"),
        (Response(429, None, {"Retry-After": "99"}), "not read: the server asks to wait 99 s"),
        (Response(200, "<html>log in"), "no list at /blocked-times: HTTP 200, HTML"),
        (Response(302, "", {"Location": "/"}), "no list at /blocked-times: HTTP 302, a redirect"),
        (refused(403, 403), "refused (/blocked-times: HTTP 403, code 403); ask Bookio to allow"),
        (refused(400, 10), "refused (/blocked-times: HTTP 400, code 10); ask Bookio which param"),
        (listed("blockedTimes", [{"bookioId": 1}]), "a row has no numeric id, only bookioId"),
        (listed("blockedTimes", [{"id": "b-1"}]), "a row has no numeric id, only id"),
    ],
)
def test_a_list_that_cannot_be_read_blocks(response: Response, seen: str) -> None:
    """The other lists are read all the same; --test says the same as the report."""
    with scripted_bookio(instead("/blocked-times", response)) as bookio:
        checks = check_lists({"auth_token": "t0ken", "api_url": bookio.url})
    assert [check.works for check in checks] == [True, True, True, False]
    assert checks[-1].line.startswith(f"blocked_times: {seen}")
    finding = findings_of(instead("/blocked-times", response))["list_blocked_times"]
    assert finding.verdict is BLOCKS
    assert f"{finding.seen}; {finding.meaning}".startswith(seen)


@pytest.mark.parametrize("status", [503, 429])
def test_no_other_path_is_tried_for_a_busy_server(status: int) -> None:
    response = Response(status, None, {"Retry-After": "99"})
    _, bookio = surveyed(instead("/blocked-times", response))
    assert not {"/blockedTimes", "/blocks"} & {request.path for request in bookio.requests}


def test_code_20_for_facilities_alone_is_a_missing_permission() -> None:
    """The tap reads the other lists, and --test says that they work."""
    answer = instead("/facilities/cgm", refused(400, 20))
    findings = findings_of(answer)
    assert findings["token"].verdict is HOLDS
    assert findings["list_facilities"].verdict is DIFFERS
    with scripted_bookio(answer) as bookio:
        assert all(c.works for c in check_lists({"auth_token": "t", "api_url": bookio.url}))


def test_a_token_that_every_list_refuses_blocks() -> None:
    findings = findings_of(lambda _: refused(400, 20))
    assert findings["token"].verdict is BLOCKS
    assert findings["list_facilities"].verdict is BLOCKS


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (lambda data, _: {"data": data}, "there is no result"),
        (lambda data, _: {"result": {"data": data}}, "there is no success"),
        (lambda data, _: {"result": {"success": "true", "data": data}}, "success is a string"),
    ],
)
def test_another_envelope_that_the_tap_reads_differs(
    change: Callable[[Any, str], Any], seen: str
) -> None:
    findings = findings_of(everywhere(change))
    assert findings["list_reservations"].verdict is HOLDS
    assert (findings["envelope"].verdict, findings["envelope"].seen) == (DIFFERS, seen)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda data, key: data[key], "the document itself"),
        (lambda data, key: {"result": {"rows": data[key]}}, "result.rows"),
        (
            lambda data, key: {
                "result": {"success": True, "data": {key: None, "items": data[key]}}
            },
            "result.data.items",
        ),
        (
            lambda data, key: {"result": {"success": True, "data": {"a": [{}], "b": data[key]}}},
            "result.data.a, result.data.b",
        ),
    ],
)
def test_an_envelope_that_the_tap_cannot_read_is_named_as_such(
    change: Callable[[Any, str], Any], place: str
) -> None:
    """It blocks, and is not taken for a missing path."""
    findings = findings_of(everywhere(change))
    assert findings["list_reservations"].verdict is BLOCKS
    assert findings["list_reservations"].seen == f"its rows are not in data.reservations: {place}"
    assert findings["envelope"].verdict is BLOCKS
    assert place in findings["envelope"].seen


def test_the_configured_page_size_is_asked_for_first() -> None:
    """A server may refuse a larger limit."""

    def answer(request: Request) -> Response:
        too_large = int(request.query.get("limit", 0)) > 50
        return refused(400, 10) if too_large else clinic(request)

    seen, _ = surveyed(answer, fully=True, page_size=50)
    assert by_topic(judge_lists(seen))["list_reservations"].verdict is HOLDS
    assert seen.paging.largest is not None
    assert seen.paging.largest.is_refused


@pytest.mark.parametrize(
    "value",
    [
        "0000-00-00 00:00:00",
        "0001-01-01T00:00:00",
        {"date": "2026-11-28 10:00:00.000000", "timezone": "Europe/Bratislava"},
        "[/x]",
        1764320400000,
    ],
)
def test_a_survey_survives_every_datetime(value: object) -> None:
    """Also as the time at which a row changed; what cannot be asked stays unknown."""
    row = {"id": 7, "dateFrom": value, "created": value, "modified": value}
    answer = instead("/reservations", listed("reservations", [row]))
    seen, _ = surveyed(answer, fully=True)
    assert seen.unanswered == ()
    assert seen.last_sync.answers["all"].rows == [row]


def test_a_question_without_an_answer_does_not_end_the_survey() -> None:
    """What depends on it is not shown, and the report says why."""

    def answer(request: Request) -> Response:
        return Response(503) if request.query.get("limit") == "0" else clinic(request)

    seen, _ = surveyed(answer, fully=True)
    assert seen.last_sync.answers["all"].rows
    finding = by_topic(judge(seen))["survey"]
    assert finding.verdict is DIFFERS
    assert finding.seen == "the server failed (HTTP 503)"


def test_a_judgement_that_fails_leaves_the_others() -> None:
    """Its place in the report says where it failed, without any value."""

    def judge_secrets(_: Survey) -> Any:
        message = "Zuzana"
        raise ValueError(message)

    seen, _ = surveyed()
    findings = by_topic(judge(seen, [judge_secrets, judge_lists]))
    assert findings["secrets"].verdict is NOT_SHOWN
    assert "ValueError" in findings["secrets"].seen
    assert "Zuzana" not in str(findings)
    assert findings["list_calendars"].verdict is HOLDS
