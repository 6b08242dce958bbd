"""A canary patient and token go through tap-bookio, and must not leak."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

TOKEN = "canary-token-7Q2Z"
KEY = "canary-key-" + "x" * 32
PATIENT = {
    "name": "Kanárik",
    "surname": "Žltohlavý",
    "email": "kanarik.zltohlavy@example.org",
    "phone": "+421905777888",
    "note": "canary-note: allergic to cats",
    "cancellationReason": "canary-reason: moved away",
}
WORDS = [*PATIENT.values(), "421905777888", "canary-note", "canary-reason"]


class Run(NamedTuple):
    code: int
    stdout: str
    stderr: str


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    sandbox = start_sandbox(size=50, seed=3, token=TOKEN)
    sandbox.insert("reservations", **PATIENT)
    sandbox.insert("reservations", **{**PATIENT, "client": PATIENT})
    sandbox.insert("blocked_times", note=PATIENT["note"])
    return sandbox


def run(clinic: Sandbox, folder: Path, *options: str, **settings: Any) -> Run:
    config = {"auth_token": TOKEN, "api_url": clinic.url, "personal_data_key": KEY, **settings}
    file = folder / "config.json"
    file.write_text(json.dumps(config))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("tap-bookio")), "--config", str(file), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"TAP_BOOKIO_LOGLEVEL": "DEBUG", "PATH": ""},
    )
    return Run(done.returncode, done.stdout, done.stderr)


def found(text: str) -> list[str]:
    readable = text.encode().decode("unicode_escape", errors="ignore") if "\\u" in text else text
    return [word for word in [*WORDS, TOKEN, KEY] if word in text or word in readable]


def only(kind: str, stdout: str) -> str:
    return "\n".join(line for line in stdout.splitlines() if f'"type":"{kind}"' in line)


def test_with_keep_patient_data_is_in_records_only(clinic: Sandbox, tmp_path: Path) -> None:
    calm = run(clinic, tmp_path)
    assert calm.code == 0, calm.stderr
    records = only("RECORD", calm.stdout)
    assert set(PATIENT.values()) <= set(found(records)), "a test that cannot see proves nothing"
    assert found(only("STATE", calm.stdout)) == found(only("SCHEMA", calm.stdout)) == []
    assert TOKEN not in calm.stdout
    assert KEY not in calm.stdout
    assert "DEBUG" in calm.stderr
    assert found(calm.stderr) == []


def test_results_of_stream_maps_are_not_logged(clinic: Sandbox, tmp_path: Path) -> None:
    mapped = run(clinic, tmp_path, stream_maps={"reservations": {"email": "md5(email or '')"}})
    assert mapped.code == 0, mapped.stderr
    assert found(mapped.stderr) == []


@pytest.mark.parametrize("mode", ["pseudonymise", "omit"])
def test_without_keep_no_output_contains_patient_data(
    clinic: Sandbox, tmp_path: Path, mode: str
) -> None:
    calm = run(clinic, tmp_path, personal_data=mode)
    assert calm.code == 0, calm.stderr
    assert '"stream":"reservations"' in calm.stdout
    assert found(calm.stdout) == found(calm.stderr) == []


ECHO = json.dumps(
    {"result": {"success": False, "errorCode": 10, "errors": [f"bad {PATIENT} {TOKEN}"]}}
)
FAULTS = {
    "an error text that quotes": {"status": 400, "body": ECHO},
    "an error page that quotes": {"status": 200, "body": f"<html>{PATIENT} {TOKEN}</html>"},
    "a redirect that quotes": {"status": 302, "headers": {"Location": f"/?t={TOKEN}&e=a@b.sk"}},
    "a torn body": {"status": 200, "body": json.dumps({"result": PATIENT})[:-9]},
    "half an emoji": {
        "status": 400,
        "body": ECHO.replace("bad ", "bad \\ud83d "),
    },
    "a list of texts": {"body": json.dumps({"result": {"success": True, "data": [TOKEN]}})},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_is_quoted(clinic: Sandbox, tmp_path: Path, fault: str) -> None:
    clinic.script("list_reservations", {**FAULTS[fault], "times": 50})
    failed = run(clinic, tmp_path, personal_data="omit")
    assert failed.code == 1
    assert found(failed.stdout) == found(failed.stderr) == []
    assert "Traceback" not in failed.stderr


def test_a_crash_that_quotes_a_patient_is_reported_without_the_quote(
    clinic: Sandbox, tmp_path: Path
) -> None:
    crash = run(clinic, tmp_path, stream_maps={"reservations": {"age": "int(email)"}})
    assert crash.code == 1
    assert found(crash.stderr) == []
    assert "Traceback" not in crash.stderr
    assert "ERROR" in crash.stderr


def test_settings_are_reported_without_secrets(clinic: Sandbox, tmp_path: Path) -> None:
    for wrong in ({"auth_token": [TOKEN]}, {"personal_data_key": [KEY]}, {"auth_token": "nope"}):
        refused = run(clinic, tmp_path, "--test", **wrong)
        assert refused.code == 1
        assert found(refused.stdout + refused.stderr) == []
    about = run(clinic, tmp_path, "--about", "--format=json")
    assert found(about.stdout + about.stderr) == []
