"""A run shows the number of finished records on a terminal, and nowhere else."""

from __future__ import annotations

import os
import pty
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli import singer_lines

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox
    from tests.cli import Target
    from tests.conftest import StartSandbox

RECORDS = 60
COUNT = b"reservations: 60 rows"


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=20, seed=5, capacity_check=False, duplicate_check=False)


def on_a_terminal(target: Target, **environment: str) -> tuple[bytes, bytes]:
    """Return what a terminal got as stderr, and what the target wrote to a file as stdout."""
    output = target.config.with_name("state.jsonl")
    lines = singer_lines("reservations", [target.booking(n) for n in range(RECORDS)])
    terminal, tty = pty.openpty()
    env = {"PATH": "/usr/bin:/bin", "TERM": "xterm", "COLUMNS": "150", **environment}
    with output.open("wb") as file:
        process = subprocess.Popen(
            target.command(), stdin=subprocess.PIPE, stdout=file, stderr=tty, env=env
        )
    os.close(tty)
    assert process.stdin is not None
    process.stdin.write(lines.encode())
    process.stdin.close()
    seen = b""
    while part := _read(terminal):
        seen += part
    os.close(terminal)
    assert process.wait() == 0, seen.decode()
    return seen, output.read_bytes()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how a terminal ends on Linux
        return b""


def test_a_terminal_shows_stream_and_records(target: Target) -> None:
    """The line is gone before the summary comes, and STATE is as ever."""
    seen, state = on_a_terminal(target)
    assert COUNT in seen
    assert seen.index(COUNT) < seen.index(b"summary:")
    assert state == b'{"records": 60}\n'


def test_no_progress_line_in_ci(target: Target) -> None:
    """The control: a terminal without a viewer."""
    seen, _ = on_a_terminal(target, CI="true")
    assert COUNT not in seen
    assert b"summary:" in seen
