"""The sandbox's control routes and its command line."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import sys
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from bookio_sandbox.running import Sandbox, in_process

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import StartSandbox


def test_the_clock_ticks_jumps_and_can_be_set(sandbox: Sandbox) -> None:
    """The clock can be advanced, moved back and set."""
    before = sandbox.now_ms()
    sandbox.advance(seconds=3600)
    assert 3_600_000 <= sandbox.now_ms() - before < 3_660_000
    sandbox.advance(seconds=-7200)
    assert sandbox.now_ms() < before
    sandbox.control("/clock", {"set": "2026-03-29T00:59:59.500Z"})
    assert sandbox.control("/clock")["now"].startswith("2026-03-29T00:59:59")


def test_a_stopped_clock_stands_still_and_can_be_moved(sandbox: Sandbox) -> None:
    sandbox.stop_clock()
    before = sandbox.control("/clock")["now"]
    assert sandbox.control("/clock")["now"] == before
    sandbox.advance(seconds=90)
    moved = datetime.fromisoformat(sandbox.control("/clock")["now"])
    assert moved - datetime.fromisoformat(before) == timedelta(seconds=90)
    sandbox.control("/clock", {"ticks": True})
    assert sandbox.control("/clock")["now"] != sandbox.control("/clock")["now"]


def test_a_day_makes_changes_and_counts_them(start_sandbox: StartSandbox) -> None:
    """Two days change as many rows as the counts by kind say, at times within those days."""
    sandbox = start_sandbox(size=1000, seed=3)
    before = {stream: rows_by_id(sandbox, stream) for stream in ("reservations", "blocked_times")}
    since = sandbox.now_ms()
    changes = sandbox.advance(days=2)
    assert all(changes[kind] for kind in ("book", "cancel", "move", "no-show", "block", "unblock"))
    assert changes["remove"] == 0
    assert 2 * 86_400_000 <= sandbox.now_ms() - since < 2 * 86_400_000 + 60_000
    reservations = rows_by_id(sandbox, "reservations")
    blocked = rows_by_id(sandbox, "blocked_times")
    assert len(reservations) == len(before["reservations"]) + changes["book"]
    assert len(before["blocked_times"].keys() - blocked.keys()) <= changes["unblock"]
    touched = {i for i, row in reservations.items() if row != before["reservations"].get(i)}
    assert changes["book"] < len(touched) <= sum(changes.values())
    assert all(since < reservations[i]["_modified"] <= sandbox.now_ms() for i in touched)


def rows_by_id(sandbox: Sandbox, stream: str) -> dict[int, dict[str, Any]]:
    """Return a stream's rows by id."""
    return {row["id"]: row for row in sandbox.rows(stream)}


def test_a_seed_decides_the_changes_of_a_day(start_sandbox: StartSandbox) -> None:
    """The same seed makes the same changes, another seed makes others."""

    def after_a_day(seed: int) -> tuple[dict[str, int], list[dict[str, Any]]]:
        sandbox = start_sandbox(size=300, seed=seed)
        changes = sandbox.advance(days=1)
        fields = ("id", "status", "email", "dateFrom")
        rows = [{field: row[field] for field in fields} for row in sandbox.rows("reservations")]
        return changes, rows

    assert after_a_day(4) == after_a_day(4)
    assert after_a_day(4) != after_a_day(5)


def test_rows_are_inserted_changed_and_removed(start_sandbox: StartSandbox) -> None:
    """Changes through the control routes show in the lists, including unknown fields."""
    sandbox = start_sandbox(size=None)
    assert set(sandbox.counts().values()) == {0}
    zone = "Atlantic/Canary"
    facility_id = sandbox.insert("facilities", timeZone=zone, future="field")
    row_id = sandbox.insert("reservations", note="hello", _modified=7, _unsynced=True)
    sandbox.change("reservations", row_id, note="bye", _modified=8)
    (row,) = sandbox.rows("reservations")
    assert row["facilityId"] == facility_id
    assert (row["note"], row["_modified"], row["_unsynced"]) == ("bye", 8, True)
    (facility,) = sandbox.ask("list_facilities").result["data"]["facilities"]
    assert (facility["timeZone"], facility["future"]) == (zone, "field")
    sandbox.remove("reservations", row_id)
    assert sandbox.counts()["reservations"] == 0


def test_the_request_log_has_every_request(sandbox: Sandbox) -> None:
    """Each entry has query, path, status, error code and whether the token was right."""
    sandbox.ask("list_reservations", query={"limit": 5, "lang": "en"})
    sandbox.ask("remove_blocked_time", path={"blockedTimeId": 3}, token="wrong")
    listed, removed = sandbox.requests()
    assert listed["query"] == {"limit": "5", "lang": "en"}
    assert (listed["method"], listed["status"], listed["authorized"]) == ("GET", 200, True)
    assert removed["path"] == "/public/api/v1/blocked-times/3"
    assert (removed["status"], removed["code"], removed["authorized"]) == (400, 20, False)
    sandbox.control("/requests", method="DELETE")
    assert sandbox.requests() == []


def test_a_hook_changes_rows_between_pages(start_sandbox: StartSandbox) -> None:
    """A hook removes a row before the second request, not before the first."""
    sandbox = start_sandbox(size=120)
    first, *_ = sandbox.rows("reservations")
    change = {"stream": "reservations", "remove": first["id"]}
    sandbox.hook("list_reservations", skip=1, changes=[change])
    totals = [sandbox.ask("list_reservations").result["data"]["pagination"] for _ in range(3)]
    assert [pagination["total"] for pagination in totals] == [120, 119, 119]


def test_churn_changes_rows_before_every_page(start_sandbox: StartSandbox) -> None:
    """Churn lasts for as many requests as asked."""
    sandbox = start_sandbox(size=120, seed=2)
    sandbox.hook("list_reservations", churn=5, times=3)
    seen = [sandbox.rows("reservations")]
    for _ in range(4):
        sandbox.ask("list_reservations")
        seen.append(sandbox.rows("reservations"))
    changed = [before != after for before, after in pairwise(seen)]
    assert changed == [True, True, True, False]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/clock", {"advance_weeks": 1}, "advance_weeks"),
        ("/clock", {"advance_seconds": 1e20}, "large"),
        ("/rows", [{"stream": "patients", "remove": 1}], "patients"),
        ("/rows", [{"stream": "reservations", "change": {}}], "id"),
        ("/settings", {"order": "up"}, "order"),
        ("/settings", {"forbid": ["all"]}, "all"),
        ("/script", {"operation": "list", "answers": []}, "list"),
        ("/hooks", {"operation": "list_calendars", "churn": 1}, "kinds"),
    ],
)
def test_an_invalid_control_request_is_refused(
    sandbox: Sandbox, path: str, body: object, words: str
) -> None:
    """The message names what is invalid."""
    with pytest.raises(ValueError, match=words):
        sandbox.control(path, body)


def test_an_operation_can_be_served_at_another_path(start_sandbox: StartSandbox) -> None:
    """The old path is then unknown, and the new one is logged under the operation."""
    sandbox = start_sandbox(endpoints={"list_calendars": "GET /agendas"})
    assert sandbox.ask("list_calendars").status == 405
    (missed,) = sandbox.requests()
    assert (missed["operation"], missed["path"]) == (None, "/public/api/v1/calendars")
    answer, _ = sandbox.send("GET", "/public/api/v1/agendas", None, {})
    assert answer.status == 400
    assert sandbox.requests()[-1]["operation"] == "list_calendars"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``bookio-sandbox`` with options with which it ends at once."""
    command = [sys.executable, "-m", "bookio_sandbox", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--size=some", "'some'"),
        ("--order=up", "'up'"),
        ("--faults=flood=1", "'flood'"),
        ("--page-cap=0", "page_cap"),
        ("--latency-ms=soon", "latency_ms"),
        ("--clock=noon", "'noon'"),
        ("--facilities=0", "'0'"),
        ("--forbid=all", "all"),
        ("--endpoint=confirm_sync=PUT /confirm", "reservationId"),
        ("--db=/dev/null/world", "/dev/null/world"),
        ("--port=99999", "99999"),
        ("--nonsense", "--nonsense"),
    ],
)
def test_an_invalid_option_is_reported_in_one_line(option: str, words: str) -> None:
    """The line names the option or its value; nothing is served."""
    done = run("--port=0", "--size=0", option)
    assert done.returncode != 0
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("bookio-sandbox: ")
    assert words in line


def test_a_port_in_use_is_reported_in_one_line() -> None:
    """The line names address and port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("--size=0", f"--port={port}")
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert f"127.0.0.1:{port}" in line


def test_help_lists_options_and_faults() -> None:
    """Options generated from the behaviour and the kinds of faults are in the help."""
    done = run("--help")
    assert done.returncode == 0
    for option in ("--port", "--seed", "--no-total", "--error-style", "--faults", "reset-after"):
        assert option in done.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_with_0(number: signal.Signals) -> None:
    """SIGTERM and SIGINT leave nothing on stderr."""
    command = [sys.executable, "-m", "bookio_sandbox", "--port=0", "--size=0", "--token=T"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        sandbox = Sandbox(process.stdout.readline().strip(), "T")
        assert sandbox.ask("list_facilities").status == 200
        process.send_signal(number)
        assert process.wait(timeout=30) == 0
        assert process.stderr.read() == ""


def test_a_signal_before_the_first_request_ends_the_process_with_0() -> None:
    """A signal that comes while the server still starts is not lost."""
    command = [sys.executable, "-m", "bookio_sandbox", "--port=0", "--size=0"]
    for _ in range(3):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            assert process.stderr
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0
            assert process.stderr.read() == ""


def test_the_version_is_that_of_the_distribution() -> None:
    """--version prints the version of singer-bookio."""
    assert run("--version").stdout.startswith("bookio-sandbox 0.")


def test_a_stored_world_is_loaded_again(tmp_path: Path) -> None:
    """Rows and clock are kept, whatever size and seed are given."""
    file = tmp_path / "world.sqlite3"
    with in_process("--size=50", f"--db={file}") as sandbox:
        sandbox.advance(days=1)
        left, rows = sandbox.now_ms(), sandbox.rows("reservations")
    with in_process("--size=0", "--seed=9", f"--db={file}") as sandbox:
        assert sandbox.rows("reservations") == rows
        assert abs(sandbox.now_ms() - left) < 60_000


def test_a_database_of_another_program_is_not_touched(tmp_path: Path) -> None:
    """The file is refused and unchanged."""
    file = tmp_path / "journal.sqlite3"
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE intents (id)")
    before = file.read_bytes()
    done = run("--port=0", f"--db={file}")
    assert done.returncode != 0
    assert "not a sandbox database" in done.stderr
    assert file.read_bytes() == before
