"""Which paths for writing the doctor calls known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bookio_doctor.finding import Verdict
from bookio_doctor.probe import Probe
from bookio_doctor.write_paths import CONTROL_PATH, IMPOSSIBLE_ID, send_write_probes, write_probes
from tests.scripted_bookio import Request, Response, refused, scripted_bookio
from tests.surveys import by_topic

if TYPE_CHECKING:
    from collections.abc import Callable

HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict
CREATE, CANCEL = "create_reservation", "change_reservation_status"


def verdicts(answer: Callable[[Request], Response]) -> dict[str, Verdict]:
    with scripted_bookio(answer) as bookio:
        probe = Probe({"auth_token": "t0ken", "api_url": bookio.url})
        try:
            findings = by_topic(send_write_probes(probe, write_probes({})))
        finally:
            probe.close()
    return {topic: finding.verdict for topic, finding in findings.items()}


@pytest.mark.parametrize("unknown", [refused(404, 404), Response(200, "<html>the app")])
def test_a_refusal_that_unknown_paths_do_not_get_shows_a_path(unknown: Response) -> None:
    def answer(request: Request) -> Response:
        return unknown if request.path == CONTROL_PATH else refused(400, 10)

    assert set(verdicts(answer).values()) == {HOLDS}


@pytest.mark.parametrize("response", [Response(403, {"message": "no"}), refused(400, 10)])
def test_what_every_path_gets_shows_nothing(response: Response) -> None:
    """A gateway refuses before it looks at the path."""
    assert set(verdicts(lambda _: response).values()) == {NOT_SHOWN}


def test_bookios_code_for_unknown_paths_tells() -> None:
    assert set(verdicts(lambda _: refused(404, 404)).values()) == {DIFFERS}


@pytest.mark.parametrize("unknown", [refused(404, 404), Response(404, {"message": "no"})])
def test_404_for_an_impossible_id_may_be_about_the_row(unknown: Response) -> None:
    """The vendor's codes are not certain to be used, so only a path without an id is judged."""

    def answer(request: Request) -> Response:
        about_row = str(IMPOSSIBLE_ID) in request.path
        return Response(404, {"message": "no such row"}) if about_row else unknown

    seen = verdicts(answer)
    assert seen[CANCEL] is NOT_SHOWN
    assert seen[CREATE] is DIFFERS


def test_a_busy_server_shows_nothing_about_paths() -> None:
    assert set(verdicts(lambda _: Response(503)).values()) == {NOT_SHOWN}


def test_probing_stops_at_the_first_success() -> None:
    """Also if it is the control request: then every path may accept anything."""
    assert verdicts(lambda _: Response(200, {"result": {"success": True}})) == {"control": BLOCKS}
