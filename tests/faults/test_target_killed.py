"""kill -9 at any moment, and at every boundary that matters: nothing twice, nothing missing."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli import BIN, Target, singer_lines

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

SEED = int(os.environ.get("BOOKIO_SEED", random.randrange(2**32)))
KILLS = int(os.environ.get("BOOKIO_KILLS", "8"))

DYING_TARGET = str(Path(__file__).parents[1] / "dying_target.py")
BOUNDARIES = [
    ("target_bookio.journal.store", "Journal", "commit"),
    ("target_bookio.journal.store", "Journal", "commit_then"),
    ("target_bookio.apply.sender", "Sender", "send"),
    ("target_bookio.journal.store", "Journal", "put"),
    ("target_bookio.apply.bookkeeper", "Bookkeeper", "answered"),
    ("bookio_api.client", "BookioClient", "call"),
    ("target_bookio.target", "TargetBookio", "emit_state"),
]


def check(clinic: Sandbox, bookings: list[dict[str, Any]]) -> None:
    held = Counter(row["externalId"] for row in clinic.rows("reservations"))
    assert set(held.values()) <= {1}, "booked twice"
    assert held.keys() == {booking["externalId"] for booking in bookings}, "lost"


def states_are_true(clinic: Sandbox, stdout: bytes, bookings: list[dict[str, Any]]) -> None:
    """Fail if a STATE was emitted before all its records were in Bookio."""
    for line in stdout.splitlines(keepends=True):
        if line.endswith(b"\n"):
            vouched = {b["externalId"] for b in bookings[: json.loads(line)["records"]]}
            assert vouched <= {row["externalId"] for row in clinic.rows("reservations")}


@pytest.fixture
def target(start_sandbox: StartSandbox, tmp_path: Path) -> Target:
    print(f"BOOKIO_SEED={SEED} BOOKIO_KILLS={KILLS}")
    clinic = start_sandbox(seed=SEED % 1000, capacity_check=False, duplicate_check=False)
    return Target(clinic, tmp_path)


def test_a_target_killed_at_random_moments_completes_its_work(target: Target) -> None:
    """Whenever a run is killed, no STATE is early, and the last run completes the work."""
    rng = random.Random(SEED)
    bookings = [target.booking(n) for n in range(400)]
    lines = singer_lines("reservations", bookings).encode()
    target.sandbox.behave(latency_ms=2)
    for _ in range(KILLS):
        process = subprocess.Popen(
            target.command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            output, _ = process.communicate(lines, timeout=0.9 + rng.random() * 0.5)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        states_are_true(target.sandbox, output, bookings)
    last = target(bookings)
    assert last.code == 0, last.stderr
    check(target.sandbox, bookings)
    assert json.loads(last.stdout) == {"records": 400}


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(("module", "owner", "method"), BOUNDARIES)
def test_a_target_killed_at_a_boundary_books_once(
    target: Target,
    module: str,
    owner: str,
    method: str,
    before: bool,
) -> None:
    """Wherever a run is killed, the next one books everything exactly once."""
    bookings = [target.booking(n) for n in range(100)]
    lines = singer_lines("reservations", bookings).encode()
    for nth in (1, 2, 3, 60):
        where = [module, owner, method, str(nth), "before" if before else "after"]
        died = subprocess.run(
            [sys.executable, DYING_TARGET, *where, *target.command()[1:]],
            input=lines,
            capture_output=True,
            check=False,
        )
        states_are_true(target.sandbox, died.stdout, bookings)
    last = target(bookings)
    assert last.code == 0, last.stderr
    check(target.sandbox, bookings)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_sigterm_emits_no_early_state(target: Target, stop: signal.Signals) -> None:
    """Requests in flight finish and are recorded, no more are sent, and no STATE is emitted."""
    bookings = [target.booking(n) for n in range(300)]
    target.sandbox.behave(latency_ms=20)
    with subprocess.Popen(
        [str(BIN / "target-bookio"), *target.command()[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdin.write(singer_lines("reservations", bookings).encode())
        process.stdin.close()
        while not target.sandbox.requests("create_reservation"):
            assert process.poll() is None
        process.send_signal(stop)
        output, errors = process.stdout.read(), process.stderr.read().decode()
    assert process.returncode == 1
    assert output == b""
    assert "Traceback" not in errors
    target.sandbox.behave(latency_ms=0)
    assert target(bookings).code == 0
    check(target.sandbox, bookings)


def test_a_kill_leaves_only_writes_in_flight_in_doubt(target: Target) -> None:
    """Rule 12: SENT is committed for at most twice ``max_concurrency`` requests."""
    target.sandbox.behave(latency_ms=20)
    bookings = [target.booking(n) for n in range(200)]
    with subprocess.Popen(
        target.command(max_concurrency=3),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        process.stdin.write(singer_lines("reservations", bookings).encode())
        process.stdin.close()
        while len(target.sandbox.requests("create_reservation")) < 20:
            assert process.poll() is None
        process.kill()
    with sqlite3.connect(target.journal) as journal:
        query = "SELECT count(*) FROM entries WHERE intent IS NOT NULL"
        assert 0 < journal.execute(query).fetchone()[0] <= 6


def test_a_dry_run_after_a_kill_shows_what_the_next_run_does(target: Target) -> None:
    """Rows that landed are unchanged, others created; the dry run writes nothing."""
    bookings = [target.booking(n) for n in range(30)]
    where = ["target_bookio.apply.bookkeeper", "Bookkeeper", "answered", "8", "before"]
    subprocess.run(
        [sys.executable, DYING_TARGET, *where, *target.command()[1:]],
        input=singer_lines("reservations", bookings).encode(),
        check=False,
        capture_output=True,
    )
    held = len([r for r in target.sandbox.rows("reservations") if r["externalId"] is not None])
    shown = target(bookings, dry_run=True)
    assert f"create: {30 - held}" in shown.stderr
    done = target(bookings)
    assert f"{30 - held} created" in done.stderr
    check(target.sandbox, bookings)
