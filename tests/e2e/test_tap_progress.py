"""A run shows progress on a terminal, and nowhere else."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli import BIN

if TYPE_CHECKING:
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

COUNT = " rows"
LINES = "reading all rows"


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=300, seed=5, latency_ms=50)


def on_a_terminal(
    clinic: Sandbox, folder: Path, *, stdout: Any = None, **environment: str
) -> tuple[str, bytes]:
    """Return what a terminal got as stderr, and what the tap wrote to a file as stdout."""
    config, output = folder / "config.json", folder / "output.jsonl"
    config.write_text(json.dumps({"auth_token": clinic.token, "api_url": clinic.url}))
    terminal, tty = pty.openpty()
    command = [str(BIN / "tap-bookio"), "--config", str(config)]
    env = {"PATH": "/usr/bin:/bin", "TERM": "xterm", "COLUMNS": "150", **environment}
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=stdout or file, stderr=tty, env=env)
    os.close(tty)
    seen = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # how a terminal ends on Linux
            break
        if not part:
            break
        seen += part
    if process.stdout:
        process.stdout.close()
    os.close(terminal)
    assert process.wait() == 0, seen.decode()
    return seen.decode(), output.read_bytes()


def test_a_terminal_shows_stream_facility_and_rows(clinic: Sandbox, tmp_path: Path) -> None:
    """Rows of the total that Bookio names; log and stdout are as ever."""
    seen, output = on_a_terminal(clinic, tmp_path)
    [(facility, rows), *_] = re.findall(r"facility (\d+): [\d,]+ of ([\d,]+) rows", seen)
    listed = clinic.rows("reservations") + clinic.rows("blocked_times")
    assert int(facility) in {row["facilityId"] for row in listed}
    assert 0 < int(rows) < len(listed)
    assert LINES in seen
    assert all(json.loads(line)["type"] for line in output.splitlines())


@pytest.mark.parametrize("environment", [{"CI": "true"}, {"MELTANO_PROJECT_ROOT": "/project"}])
def test_no_progress_line_in_ci_or_meltano(
    clinic: Sandbox, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Nobody watches their terminals."""
    seen, _ = on_a_terminal(clinic, tmp_path, **environment)
    assert LINES in seen
    assert COUNT not in seen.replace(LINES, "")


def test_no_progress_line_in_a_pipe(clinic: Sandbox, tmp_path: Path) -> None:
    """The program behind the pipe may draw its own."""
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as reader:
        assert reader.stdin is not None
        seen, _ = on_a_terminal(clinic, tmp_path, stdout=reader.stdin)
    assert LINES in seen
    assert COUNT not in seen.replace(LINES, "")
