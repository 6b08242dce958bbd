"""A signal while a loader is slow: what it has read ends in a whole line."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import pytest

from bookio_sandbox.running import in_thread
from tests.cli import BIN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bookio_sandbox.running import Sandbox

PATIENCE = 30


@pytest.fixture(scope="module")
def clinic() -> Iterator[Sandbox]:
    with in_thread(size=1000, seed=8) as sandbox:
        yield sandbox


@contextmanager
def stuck_tap(
    clinic: Sandbox, tmp_path: Path, **environment: str
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Run a tap until it waits for the reader of its output, in the middle of a block."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auth_token": clinic.token, "api_url": clinic.url}))
    command = [str(BIN / "tap-bookio"), "--config", str(config)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "", **environment}
    output, pipe = os.pipe()
    with (
        os.fdopen(output, "rb") as stdout,
        subprocess.Popen(command, stdout=pipe, stderr=subprocess.PIPE, env=environment) as tap,
    ):
        try:
            while select.select([], [pipe], [], 0)[1]:  # until it is full
                assert tap.poll() is None
            os.close(pipe)
            yield tap, stdout
        finally:
            tap.kill()


def stop(tap: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM, and return once the tap has noted it."""
    tap.send_signal(signal.SIGTERM)
    assert tap.stderr
    assert any(b"stopped by signal" in line for line in tap.stderr)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_signal_leaves_whole_lines(clinic: Sandbox, tmp_path: Path, unbuffered: str) -> None:
    """A loader would fail on half a line, and print a patient's data."""
    with stuck_tap(clinic, tmp_path, PYTHONUNBUFFERED=unbuffered) as (tap, stdout):
        stop(tap)
        output = stdout.read()
        assert tap.wait(PATIENCE) == 1
    assert output.endswith(b"\n")
    assert all(json.loads(line) for line in output.splitlines())


@pytest.mark.parametrize("signals", [1, 2])
def test_a_signal_ends_a_tap_whose_loader_reads_nothing(
    clinic: Sandbox, tmp_path: Path, signals: int
) -> None:
    """It ends after a grace time, or at a second signal; the rest of the line is lost."""
    with stuck_tap(clinic, tmp_path) as (tap, stdout):
        stop(tap)
        for _ in range(signals - 1):
            tap.send_signal(signal.SIGTERM)
        assert tap.wait(PATIENCE) == 1
        assert not stdout.read().endswith(b"\n")
