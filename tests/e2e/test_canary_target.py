"""A canary patient and token go through target-bookio, and must not leak."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli import Run, Target, run, singer_lines

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartSandbox

TOKEN = "canary-token-7Q2Z"
PATIENT = {
    "name": "Kanárik",
    "surname": "Žltohlavý",
    "email": "kanarik.zltohlavy@example.org",
    "phone": "+421905777888",
    "note": "canary-note: allergic to cats",
    "cancellationReason": "canary-reason: moved away",
}
WORDS = [*PATIENT.values(), TOKEN, "421905777888", "Kan\\u00e1rik", "canary-"]


@pytest.fixture
def target(start_sandbox: StartSandbox, tmp_path: Path) -> Target:
    return Target(start_sandbox(seed=3, token=TOKEN, capacity_check=False), tmp_path)


def write(target: Target, *records: dict[str, Any], **settings: Any) -> Run:
    lines = singer_lines("reservations", list(records))
    command = target.command(**settings)[1:]
    return run("target-bookio", *command, stdin=lines, TARGET_BOOKIO_LOGLEVEL="DEBUG")


def found(*texts: str | bytes) -> list[str]:
    whole = b"\n".join(t if isinstance(t, bytes) else t.encode() for t in texts)
    return [word for word in WORDS if word.encode() in whole]


def files(target: Target) -> list[bytes]:
    return [path.read_bytes() for path in target.journal.parent.iterdir()]


def test_patient_data_is_sent_to_bookio_only(target: Target) -> None:
    booked = write(target, target.booking(0, **PATIENT))
    assert booked.code == 0, booked.stderr
    [row] = target.sandbox.rows("reservations")
    assert row["email"] == PATIENT["email"], "a test that cannot see proves nothing"
    cancelled = write(target, target.booking(0, **PATIENT, status="CANCELLED"))
    assert cancelled.code == 0, cancelled.stderr
    assert target.sandbox.emails()[-1]["reason"] == PATIENT["cancellationReason"]
    assert "DEBUG" in booked.stderr
    assert found(booked.stderr, booked.stdout, cancelled.stderr, *files(target)) == []


def test_rejects_conflicts_and_plans_quote_nothing(target: Target) -> None:
    write(target, target.booking(0, **PATIENT))
    other = target.booking(0, **{**PATIENT, "email": "canary-other@example.org"})
    bad = [other, target.booking(1, **PATIENT, serviceId=1), target.booking(2, **PATIENT, locale=3)]
    rejected = write(target, *bad)
    assert rejected.code == 3
    planned = write(target, *bad, target.booking(3, **PATIENT), dry_run=True)
    outputs = (rejected.stderr, planned.stderr, planned.stdout, *files(target))
    assert found(*outputs) == []


def test_rejects_contain_the_record_only_on_request(target: Target) -> None:
    write(target, target.booking(1, **PATIENT, serviceId=1), rejects_include_records=True)
    assert PATIENT["note"] in target.rejects.read_text()


ECHO = json.dumps({"result": {"success": False, "errorCode": 10, "errors": [f"{PATIENT} {TOKEN}"]}})


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 400, "body": ECHO},
        {"status": 200, "body": ECHO},
        {"status": 500, "body": ECHO},
        {"status": 403, "body": ECHO},
        {"status": 200, "body": f"<html>{PATIENT}</html>"},
    ],
    ids=lambda fault: str(fault)[:30],
)
def test_no_response_is_quoted(target: Target, fault: dict[str, Any]) -> None:
    target.sandbox.script("create_reservation", {**fault, "times": 30})
    done = write(target, target.booking(0, **PATIENT))
    assert found(done.stderr, done.stdout, *files(target)) == []
    assert "Traceback" not in done.stderr
    assert done.code in {1, 3}


def test_input_that_cannot_be_used_is_not_quoted(target: Target) -> None:
    lines = ['{"type": "RECORD", ' + json.dumps(PATIENT), json.dumps(PATIENT), json.dumps([TOKEN])]
    for line in lines:
        refused = run(
            "target-bookio",
            *target.command()[1:],
            stdin=line + "\n",
            TARGET_BOOKIO_LOGLEVEL="DEBUG",
        )
        assert refused.code == 1
        assert found(refused.stderr, refused.stdout) == []
