"""bookio-doctor: its findings, and whether tap and target work with its advice."""

from __future__ import annotations

import base64
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from bookio_sandbox.api.variants import variant_names
from tests.cli import Run, Target, run, writes

if TYPE_CHECKING:
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

CANARY = "Zuzana Kanárikova"
DIFFERENT, CANNOT_WORK = 2, 1


def examine(sandbox: Sandbox, folder: Path, *options: str, **settings: Any) -> Run:
    config = folder / "doctor.json"
    config.write_text(json.dumps({"auth_token": sandbox.token, "api_url": sandbox.url, **settings}))
    return run("bookio-doctor", "--config", str(config), *options)


def report(run: Run) -> dict[str, Any]:
    return json.loads(run.stdout)


def verdicts(run: Run) -> dict[str, str]:
    return {finding["topic"]: finding["verdict"] for finding in report(run)["findings"]}


def seen(run: Run, topic: str) -> str:
    return next(f["seen"] for f in report(run)["findings"] if f["topic"] == topic)


def test_the_exit_code_is_0_if_every_assumption_holds(
    start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    sandbox = start_sandbox(size=400, clock=datetime.now(UTC) - timedelta(days=1))
    sandbox.advance(days=1)
    examined = examine(sandbox, tmp_path, "--format", "json")
    assert examined.code == 0, examined.stdout
    assert set(verdicts(examined).values()) <= {"holds", "not shown"}
    assert verdicts(examined)["lastSync: unit"] == "holds"
    assert report(examined)["questions"] <= 60


@pytest.mark.parametrize(
    ("option", "bound"), [("gt", ">"), ("ge", ">=, or > with fractions of a second")]
)
def test_whether_last_sync_is_inclusive_is_tested_with_a_rows_own_time(
    start_sandbox: StartSandbox, tmp_path: Path, option: str, bound: str
) -> None:
    sandbox = start_sandbox(size=0, last_sync=option)
    facility = sandbox.rows("facilities")[0]
    moment_ms = sandbox.now_ms() // 1000 * 1000 - 3_600_000
    created = datetime.fromtimestamp(moment_ms / 1000, ZoneInfo(facility["timeZone"]))
    sandbox.insert(
        "reservations",
        facilityId=facility["id"],
        created=created.replace(tzinfo=None).isoformat(),
        cancelTime=None,
        _modified=moment_ms,
    )
    examined = examine(sandbox, tmp_path, "--format", "json")
    assert seen(examined, "lastSync: bound") == f"it compares created by {bound}"


@pytest.mark.parametrize("variant", variant_names())
def test_tap_and_target_work_with_the_doctors_settings(
    start_sandbox: StartSandbox, tmp_path: Path, variant: str
) -> None:
    """Every row is read, and a write is made once, in each variant of Bookio."""
    sandbox = start_sandbox(size=150, variant=variant)
    examined = examine(sandbox, tmp_path, "--format", "json")
    assert examined.code in {0, DIFFERENT}, examined.stdout + examined.stderr
    proposed = report(examined)["config"]
    settings = {"auth_token": sandbox.token, "api_url": sandbox.url, **proposed}
    config = tmp_path / "tap.json"
    config.write_text(json.dumps(settings))
    synced = run("tap-bookio", "--config", str(config))
    assert synced.code == 0, synced.stderr
    for stream in ("reservations", "blocked_times"):
        read = [record["id"] for record in synced.records(stream)]
        assert sorted(read) == [row["id"] for row in sandbox.rows(stream)], stream
    target = Target(sandbox, tmp_path)
    overrides = proposed.get("endpoint_overrides", {})
    for expected in (1, 0):
        before = len(writes(sandbox))
        booking = target.booking(1, dateFrom="2026-12-02T09:00:00")  # wall time suits any zone
        done = target([booking], endpoint_overrides=overrides)
        assert done.code == 0, done.stderr
        assert len(writes(sandbox)) - before == expected


def test_the_doctor_only_reads_and_shows_no_patient_data(
    start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    """Without --probe-writes nothing but GET is sent; no value of a row is in any output."""
    sandbox = start_sandbox(size=60)
    for row in sandbox.rows("reservations"):
        sandbox.change("reservations", row["id"], name=CANARY, note=CANARY, number=CANARY)
    output = tmp_path / "report.json"
    for form in ("text", "json"):
        examined = examine(sandbox, tmp_path, "--format", form, "--output", str(output))
        shown = examined.stdout + examined.stderr + output.read_text()
        assert CANARY not in shown
        assert sandbox.token not in shown
        assert str(sandbox.rows("facilities")[0]["id"]) not in shown
    assert {request["method"] for request in sandbox.requests()} == {"GET"}


def test_a_value_in_the_wrong_place_is_not_shown_either(
    start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    """A name in a datetime, as a type and in odd fields is reported, and the report lacks it."""
    sandbox = start_sandbox(size=10)
    row = {"id": 7, "dateFrom": CANARY, "created": CANARY, "serviceId": CANARY, CANARY: CANARY}
    listed = {"result": {"success": True, "data": {"reservations": [row]}}}
    sandbox.script("list_reservations", {"body": json.dumps(listed), "times": 100})
    output = tmp_path / "report.json"
    for form in ("text", "json"):
        examined = examine(sandbox, tmp_path, "--format", form, "--output", str(output))
        assert examined.code == CANNOT_WORK, examined.stderr
        shown = examined.stdout + examined.stderr + output.read_text()
        assert not any(word in shown for word in CANARY.split())
    assert verdicts(examined)["datetimes"] == "blocks"


def test_probes_of_writes_change_nothing(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    """Each write is sent with an id that cannot exist; it causes no row and no e-mail."""
    sandbox = start_sandbox(
        size=60, endpoints={"confirm_sync": "PUT /reservations/{reservationId}/confirm"}
    )
    before = {
        stream: sandbox.rows(stream) for stream in ("calendars", "reservations", "blocked_times")
    }
    refused = examine(sandbox, tmp_path, "--probe-writes")
    assert refused.code == 1
    assert "--yes" in refused.errors[0]
    assert not sandbox.requests()
    examined = examine(sandbox, tmp_path, "--probe-writes", "--yes", "--format", "json")
    assert verdicts(examined)["create_reservation"] == "holds"
    assert verdicts(examined)["confirm_sync"] == "differs"
    sent = Counter(writes(sandbox))
    assert sent.pop(None) == 3 + 1, "a control request for each method, and the unknown path"
    assert list(sent.values()) == [1] * 9, "each other write once"
    assert before == {stream: sandbox.rows(stream) for stream in before}
    assert sandbox.emails() == []


def test_a_refused_token_ends_with_1(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    examined = examine(start_sandbox(size=10), tmp_path, "--format", "json", auth_token="wrong")
    assert examined.code == CANNOT_WORK
    assert verdicts(examined)["token"] == "blocks"


def test_an_empty_clinic_is_reported_as_such(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    examined = examine(
        start_sandbox(size=None, clock=datetime.now(UTC)), tmp_path, "--format", "json"
    )
    assert examined.code == 0
    assert verdicts(examined)["order"] == "not shown"
    assert verdicts(examined)["lastSync"] == "not shown"


def test_an_unknown_field_is_offered_as_a_json_patch(
    start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    examined = examine(start_sandbox(size=20, variant="other-names"), tmp_path, "--format", "json")
    patches = [change for f in report(examined)["findings"] for change in f["schema_patch"]]
    assert {
        "op": "add",
        "path": "/properties/roomNumber",
        "value": {"type": ["integer", "null"]},
    } in patches


@pytest.mark.parametrize("twist", [{"drop": "reset"}, {"status": 503, "body": "restarting"}])
def test_a_list_that_fails_once_is_retried(
    start_sandbox: StartSandbox, tmp_path: Path, twist: dict[str, Any]
) -> None:
    sandbox = start_sandbox(size=20)
    sandbox.script("list_calendars", twist)
    examined = examine(sandbox, tmp_path, "--format", "json")
    assert verdicts(examined)["list_calendars"] == "holds", examined.stdout


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_the_doctor_reads_every_body_that_the_tap_reads(
    start_sandbox: StartSandbox, tmp_path: Path, encoding: str
) -> None:
    sandbox = start_sandbox(size=20)
    envelope = {"result": {"success": True, "data": {"calendars": []}}}
    body = base64.b64encode(json.dumps(envelope).encode(encoding)).decode()
    sandbox.script("list_calendars", {"body_base64": body})
    examined = examine(sandbox, tmp_path, "--format", "json")
    assert verdicts(examined)["list_calendars"] == "holds", examined.stdout


def test_the_suggested_settings_can_be_copied(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    examined = examine(start_sandbox(size=20, variant="other-paths"), tmp_path)
    assert examined.code == DIFFERENT
    assert '"list_blocked_times": "GET /blockedTimes"' in examined.stdout
    assert 'list_blocked_times: "GET /blockedTimes"' in examined.stdout


@pytest.mark.parametrize(
    ("twist", "topic"),
    [
        ({"status": 200, "body": "<html>Please log in</html>"}, "no list at"),
        ({"status": 200, "body": "[1, 2, 3]"}, "no list at"),
        ({"status": 503, "body": "busy"}, "not read"),
        ({"status": 403, "code": 403}, "refused"),
    ],
)
def test_a_host_that_is_not_bookio_is_reported(
    start_sandbox: StartSandbox, tmp_path: Path, twist: dict[str, Any], topic: str
) -> None:
    """A login page, other JSON, an outage, a token without permissions: a report, exit 1."""
    sandbox = start_sandbox(size=10)
    sandbox.script("*", {**twist, "times": 100})
    examined = examine(sandbox, tmp_path, "--format", "json")
    assert examined.code == CANNOT_WORK, examined.stderr
    assert seen(examined, "list_reservations").startswith(topic)


def test_a_server_that_hangs_is_reported(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    sandbox = start_sandbox(size=10)
    sandbox.script("*", {"drop": "hang", "times": 100})
    examined = examine(sandbox, tmp_path, "--format", "json", request_timeout=0.3)
    assert examined.code == CANNOT_WORK
    assert verdicts(examined)["server"] == "blocks"
    assert seen(examined, "server") == "no response in time"


def test_an_output_that_cannot_be_written_is_reported_before_the_first_request(
    start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    sandbox = start_sandbox(size=10)
    refused = examine(sandbox, tmp_path, "--output", str(tmp_path / "nowhere/report.json"))
    assert refused.code == 1
    assert "nowhere/report.json cannot be used" in refused.errors[0]
    assert not sandbox.requests()
