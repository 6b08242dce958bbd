"""Broken and hostile servers: temporary errors are retried, the rest end in one line."""

from __future__ import annotations

import base64
import gzip
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox
    from tests.cli import Tap
    from tests.conftest import StartSandbox

PATIENCE = 110


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=120, seed=2)


@pytest.mark.parametrize(
    "fault",
    [
        {"keep": 0.5},
        {"status": 500, "body": "oops"},
        {"status": 503, "body": "<html>"},
        {"drop": "reset"},
        {"drop": "close"},
        {"code": 666},
        {"status": 200, "body": ""},
        {"status": 429},
        {"status": 429, "headers": {"Retry-After": "1"}},
        {"status": 200, "body_base64": "/////w=="},
        {"spread": 0.3},
        {"status": 408, "body": ""},
        {"status": 421, "body": "<html>"},
        {"status": 425},
    ],
    ids=str,
)
def test_a_temporary_fault_is_retried(tap: Tap, clinic: Sandbox, fault: dict[str, Any]) -> None:
    """One broken response costs a retry, but no row."""
    clinic.script("list_reservations", fault)
    synced = tap()
    assert synced.code == 0, synced.stderr
    assert len(synced.records("reservations")) == len(clinic.rows("reservations"))


BOMB = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
ENDLESS = json.dumps(
    {
        "result": {
            "success": True,
            "data": {"reservations": [{"id": n, "note": "x"} for n in range(1, 101)]},
        }
    }
)


def listing(data: Any) -> str:
    return json.dumps({"result": {"success": True, "data": data}})


@pytest.mark.parametrize(
    "fault",
    [
        {"body": "<html>login</html>"},
        {"body": listing(None)},
        {"body": listing({"x": 1})},
        {"body": listing({"reservations": None})},
        {"body": listing({"reservations": [1, "a"]})},
        {"body": listing({"reservations": [{"id": None}]})},
        {"body": listing({"reservations": [{"name": "no id"}]})},
        {"body": "[]"},
        {"body": "7"},
        {"body": ENDLESS},
        {"body": "[" * 100_000},
        {"status": 302, "headers": {"Location": "http://127.0.0.1:9/"}},
        {"status": 429, "headers": {"Retry-After": "86400"}},
        {"status": 404, "body": "{}"},
        {"headers": BOMB, "body_base64": None},
    ],
    ids=lambda fault: str(fault)[:60],
)
def test_a_permanent_fault_is_reported_in_one_line(
    tap: Tap, clinic: Sandbox, fault: dict[str, Any]
) -> None:
    """A server that stays broken ends the run with one line, and moves no bookmark."""
    if "body_base64" in fault:
        bomb = gzip.compress(b'{"result":' + b" " * 80_000_000)
        fault = {**fault, "body_base64": base64.b64encode(bomb).decode()}
    first = tap()
    clinic.advance(days=1)
    clinic.script("list_reservations", {"status": 200, **fault, "times": 500})
    started = time.monotonic()
    failed = tap(state=first.state)
    assert time.monotonic() - started < PATIENCE
    assert failed.code == 1
    assert len(failed.errors) == 1, failed.stderr
    assert "Traceback" not in failed.stderr
    if failed.state:
        assert failed.state["bookmarks"]["reservations"] == first.state["bookmarks"]["reservations"]


def test_long_texts_are_loaded(tap: Tap, clinic: Sandbox) -> None:
    """A note of ten million characters arrives whole."""
    clinic.insert("reservations", note="x" * 10_000_000)
    synced = tap()
    assert synced.code == 0, synced.stderr
    assert max(len(r["note"] or "") for r in synced.records("reservations")) == 10_000_000


def list_with(row: str) -> bytes:
    """Return a list of three rows, the second as the given JSON text."""
    whole = listing(
        {
            "pagination": {"total": 3},
            "reservations": [{"id": 1, "note": "a"}, "ROW", {"id": 3, "note": "c"}],
        }
    )
    return whole.replace('"ROW"', row).encode()


@pytest.mark.parametrize(
    ("body", "note", "warns"),
    [
        (list_with(r'{"id": 2, "note": "half \ud83d"}'), "half \ufffd", True),
        (list_with('{"id": 2, "note": "tab\there"}'), "tab\there", True),
        (list_with('{"id": 2, "note": "škôlka"}').decode().encode("utf-8-sig"), "škôlka", True),
        (list_with('{"id": 2, "note": "škôlka"}').decode().encode("utf-16"), "škôlka", True),
        (list_with('{"id": 2, "note": "x?"}').replace(b"?", b"\xff"), "x\ufffd", True),
        (list_with('{"id": 2, "note": "škôlka"}'), "škôlka", False),
    ],
    ids=["half an emoji", "a raw tab", "a byte order mark", "UTF-16", "a bad byte", "good"],
)
def test_a_body_that_is_not_quite_json_loses_no_row(
    tap: Tap, clinic: Sandbox, body: bytes, note: str, *, warns: bool
) -> None:
    """Every row arrives, with one warning a run that quotes nothing; good bodies get none."""
    encoded = base64.b64encode(body).decode()
    clinic.script("list_reservations", {"status": 200, "body_base64": encoded, "times": 99})
    synced = tap(facility_ids=[clinic.rows("facilities")[0]["id"]])
    assert synced.code == 0, synced.stderr
    notes = {row["id"]: row["note"] for row in synced.records("reservations")}
    assert notes == {1: "a", 2: note, 3: "c"}
    warnings = [line for line in synced.stderr.splitlines() if "the responses contain" in line]
    assert len(warnings) == warns
    assert note not in " ".join(warnings)
