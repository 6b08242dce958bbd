"""Broken and hostile servers: what can heal heals, the rest ends in one line."""

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
        {"keep": 0.5}, {"status": 500, "body": "oops"}, {"status": 503, "body": "<html>"},
        {"drop": "reset"}, {"drop": "close"}, {"code": 666}, {"status": 200, "body": ""},
        {"status": 429}, {"status": 429, "headers": {"Retry-After": "1"}},
        {"status": 200, "body_base64": "/////w=="}, {"spread": 0.3},
    ],
    ids=str,
)  # fmt: skip
def test_once_is_healed(tap: Tap, clinic: Sandbox, fault: dict[str, Any]) -> None:
    clinic.script("list_reservations", fault)
    synced = tap()
    assert synced.code == 0, synced.stderr
    assert len(synced.records("reservations")) == len(clinic.rows("reservations"))


BOMB = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
ENDLESS = json.dumps({"result": {"success": True, "data": {"reservations": [
    {"id": n, "note": "x"} for n in range(1, 101)]}}})  # fmt: skip


def answer(data: Any) -> str:
    return json.dumps({"result": {"success": True, "data": data}})


@pytest.mark.parametrize(
    "fault",
    [
        {"body": "<html>login</html>"}, {"body": answer(None)}, {"body": answer({"x": 1})},
        {"body": answer({"reservations": None})}, {"body": answer({"reservations": [1, "a"]})},
        {"body": answer({"reservations": [{"id": None}]})},
        {"body": answer({"reservations": [{"name": "no id"}]})}, {"body": "[]"}, {"body": "7"},
        {"body": ENDLESS}, {"body": "[" * 100_000},
        {"status": 302, "headers": {"Location": "http://127.0.0.1:9/"}},
        {"status": 429, "headers": {"Retry-After": "86400"}}, {"status": 404, "body": "{}"},
        {"headers": BOMB, "body_base64": None},
    ],
    ids=lambda fault: str(fault)[:60],
)  # fmt: skip
def test_for_ever_ends_in_one_line(tap: Tap, clinic: Sandbox, fault: dict[str, Any]) -> None:
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


def test_long_texts_pass(tap: Tap, clinic: Sandbox) -> None:
    clinic.insert("reservations", note="x" * 10_000_000)
    synced = tap()
    assert synced.code == 0, synced.stderr
    assert max(len(r["note"] or "") for r in synced.records("reservations")) == 10_000_000
