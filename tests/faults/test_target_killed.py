"""kill -9 at any moment, and at every boundary that matters: nothing twice, nothing missing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli import BIN, Target, singer_lines

if TYPE_CHECKING:
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

SEED = int(os.environ.get("BOOKIO_SEED", random.randrange(2**32)))
KILLS = int(os.environ.get("BOOKIO_KILLS", "8"))

DIE_AT = """
import os, signal, sys
from {module} import {owner}
point, whole = {owner}.{method}, [{nth}]
def dying(*args, **kwargs):
    whole[0] -= 1
    if not whole[0] and {before}:
        os.kill(os.getpid(), signal.SIGKILL)
    answer = point(*args, **kwargs)
    if not whole[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer
{owner}.{method} = dying
from target_bookio.target import TargetBookio
TargetBookio.cli(sys.argv[1:])
"""
BOUNDARIES = [
    ("target_bookio.journal.store", "Journal", "commit"),
    ("target_bookio.journal.store", "Journal", "put"),
    ("bookio_api.client", "BookioClient", "call"),
    ("target_bookio.target", "TargetBookio", "_write_state_message"),
]


def check(clinic: Sandbox, bookings: list[dict[str, Any]]) -> None:
    held = Counter(row["externalId"] for row in clinic.rows("reservations"))
    assert set(held.values()) <= {1}, "booked twice"
    assert held.keys() == {booking["externalId"] for booking in bookings}, "lost"


def states_are_true(clinic: Sandbox, stdout: bytes, bookings: list[dict[str, Any]]) -> None:
    """Fail if a STATE left before all that it vouches for was in Bookio."""
    for line in stdout.splitlines(keepends=True):
        if line.endswith(b"\n"):
            vouched = {b["externalId"] for b in bookings[: json.loads(line)["records"]]}
            assert vouched <= {row["externalId"] for row in clinic.rows("reservations")}


@pytest.fixture
def target(start_sandbox: StartSandbox, tmp_path: Path) -> Target:
    print(f"BOOKIO_SEED={SEED} BOOKIO_KILLS={KILLS}")
    clinic = start_sandbox(seed=SEED % 1000, capacity_check=False, duplicate_check=False)
    return Target(clinic, tmp_path)


def test_killed_at_random_moments(target: Target) -> None:
    rng = random.Random(SEED)
    bookings = [target.booking(n) for n in range(400)]
    lines = singer_lines("reservations", bookings).encode()
    target.sandbox.behave(latency_ms=2)
    for _ in range(KILLS):
        process = subprocess.Popen(target.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)  # fmt: skip
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
def test_killed_at_a_boundary(
    target: Target,
    module: str,
    owner: str,
    method: str,
    before: bool,  # noqa: FBT001
) -> None:
    bookings = [target.booking(n) for n in range(100)]
    lines = singer_lines("reservations", bookings).encode()
    for nth in (1, 2, 3, 60):
        code = DIE_AT.format(module=module, owner=owner, method=method, nth=nth, before=before)
        died = subprocess.run([sys.executable, "-c", code, *target.command()[1:]], input=lines,
                              capture_output=True, check=False)  # fmt: skip
        states_are_true(target.sandbox, died.stdout, bookings)
    last = target(bookings)
    assert last.code == 0, last.stderr
    check(target.sandbox, bookings)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_polite_signal_lets_no_early_state_out(target: Target, stop: signal.Signals) -> None:
    bookings = [target.booking(n) for n in range(300)]
    target.sandbox.behave(latency_ms=20)
    with subprocess.Popen([str(BIN / "target-bookio"), *target.command()[1:]],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:  # fmt: skip
        process.stdin.write(singer_lines("reservations", bookings).encode())
        process.stdin.close()
        while not target.sandbox.requests("create_reservation"):
            assert process.poll() is None
        process.send_signal(stop)
        output, told = process.stdout.read(), process.stderr.read().decode()
    assert process.returncode == 1
    assert output == b""
    assert "Traceback" not in told
    target.sandbox.behave(latency_ms=0)
    assert target(bookings).code == 0
    check(target.sandbox, bookings)
