"""Lost, late and broken responses, random and scripted, of requests applied or not."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING

import pytest

from bookio_sandbox.api.faults import FAULTS
from bookio_sandbox.running import Sandbox

if TYPE_CHECKING:
    from conftest import StartSandbox

LOST = ("reset", "close", "timeout")


def block(sandbox: Sandbox) -> str:
    """Create a blocked time; return the outcome that the client sees."""
    body = {
        "facilityId": sandbox.rows("facilities")[0]["id"],
        "dateFrom": "2026-10-05T09:00:00",
        "dateTo": "2026-10-05T10:00:00",
        "note": "",
        "externalId": 1,
    }
    try:
        reply = sandbox.ask("create_blocked_time", body=body)
    except TimeoutError:
        return "timeout"
    except (http.client.RemoteDisconnected, ConnectionError) as error:
        return "close" if isinstance(error, http.client.RemoteDisconnected) else "reset"
    except (http.client.IncompleteRead, json.JSONDecodeError) as error:
        return type(error).__name__
    return str(reply.result.get("errorCode", reply.status))


@pytest.mark.parametrize(
    ("kind", "outcome", "applied"),
    [
        ("reset-before", "reset", 0),
        ("reset-after", "reset", 1),
        ("close-before", "close", 0),
        ("close-after", "close", 1),
        ("timeout-before", "timeout", 0),
        ("timeout-after", "timeout", 1),
        ("500-before", "JSONDecodeError", 0),
        ("500-after", "JSONDecodeError", 1),
        ("503", "JSONDecodeError", 0),
        ("429", "JSONDecodeError", 0),
        ("429-wait", "JSONDecodeError", 0),
        ("666", "666", 0),
        ("666-after", "666", 1),
        ("html", "JSONDecodeError", 0),
        ("empty", "JSONDecodeError", 1),
        ("truncate", "IncompleteRead", 1),
        ("slow-body", "200", 1),
    ],
)
def test_each_fault_has_its_documented_effect(
    sandbox: Sandbox, kind: str, outcome: str, applied: int
) -> None:
    """The client sees the outcome, and the request is applied exactly if the kind says so."""
    sandbox.behave(faults=f"{kind}=1")
    impatient = Sandbox(sandbox.url, sandbox.token, timeout_s=0.2)
    assert block(impatient if outcome == "timeout" else sandbox) == outcome
    assert len(sandbox.rows("blocked_times")) == applied
    (request,) = sandbox.requests("create_blocked_time")
    assert request["applied"] is bool(applied)
    assert (request["status"] is None) is kind.startswith(LOST)


def test_every_fault_is_tested() -> None:
    """The cases above are all kinds of faults."""
    marks = test_each_fault_has_its_documented_effect.pytestmark  # type: ignore[attr-defined]
    (cases,) = [mark.args[1] for mark in marks if mark.name == "parametrize"]
    assert [kind for kind, *_ in cases] == list(FAULTS)


def test_a_seed_decides_the_faults(start_sandbox: StartSandbox) -> None:
    """The same seed draws the same faults, another seed draws others."""

    def outcomes(seed: int) -> list[str]:
        sandbox = start_sandbox(seed=seed, faults="reset-before=0.3,666=0.2")
        return [block(sandbox) for _ in range(40)]

    first = outcomes(5)
    assert first == outcomes(5)
    assert first != outcomes(6)
    assert set(first) == {"reset", "666", "200"}


def test_scripted_answers_come_in_order(sandbox: Sandbox) -> None:
    """Each is used as often as requested, only for its operation; then real responses follow."""
    scripted = [{"code": 30}, {"status": 200, "body": '{"result": {"success": false}}', "times": 2}]
    sandbox.script("list_calendars", *scripted)
    assert sandbox.ask("list_facilities").result["success"] is True
    results = [sandbox.ask("list_calendars").result for _ in range(4)]
    assert results[0]["errorCode"] == 30
    assert results[1] == results[2] == {"success": False}
    assert results[3]["success"] is True


def test_a_scripted_answer_may_have_any_bytes_and_headers(sandbox: Sandbox) -> None:
    """Bytes that are not UTF-8 reach the client as they are."""
    answer = {"status": 302, "headers": {"location": "https://example.com/"}, "body_base64": "/w=="}
    sandbox.script("*", answer)
    with pytest.raises(UnicodeDecodeError):
        sandbox.ask("list_facilities")
    assert sandbox.requests()[-1]["status"] == 302


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ("flood=0.1", "flood"),
        ("666=2", "666=2"),
        ("666=x", "666=x"),
        ("666=.6,429=.6", "more than"),
    ],
)
def test_invalid_faults_are_refused(sandbox: Sandbox, faults: str, words: str) -> None:
    """The message names the part that is invalid."""
    with pytest.raises(ValueError, match=words):
        sandbox.behave(faults=faults)
