"""kill -9 at any moment: after resumed runs the loader's rows match Bookio."""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cli import BIN, Tap

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

SEED = int(os.environ.get("BOOKIO_SEED", random.randrange(2**32)))
KILLS = int(os.environ.get("BOOKIO_KILLS", "12"))
STREAMS = ("reservations", "blocked_times")


class Warehouse:
    """Loads lines as a target does: a STATE counts once all before it is loaded."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[int, dict[str, Any]]] = {stream: {} for stream in STREAMS}
        self.state: dict[str, Any] | None = None

    def load(self, output: bytes) -> None:
        for line in output.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                return  # torn by the kill
            message = json.loads(line)
            if message["type"] == "STATE":
                self.state = message["value"]
            elif message["type"] == "RECORD" and message["stream"] in STREAMS:
                self.tables[message["stream"]][message["record"]["id"]] = message["record"]


def killed_run(command: list[str], rng: random.Random) -> bytes:
    """Run, and kill the process once it has written a random number of bytes."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        output = process.stdout.read(rng.randrange(400_000))
        process.kill()
        return output + process.stdout.read()


def test_a_killed_tap_that_resumes_misses_no_row(
    start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    """After kills at random moments, the tables have every row as Bookio has it at the end."""
    print(f"BOOKIO_SEED={SEED} BOOKIO_KILLS={KILLS}")
    rng = random.Random(SEED)
    clinic = start_sandbox(size=800, seed=rng.randrange(100))
    config, state = tmp_path / "config.json", tmp_path / "state.json"
    config.write_text(json.dumps({"auth_token": clinic.token, "api_url": clinic.url}))
    warehouse = Warehouse()
    for _ in range(KILLS):
        command = [str(BIN / "tap-bookio"), "--config", str(config)]
        if warehouse.state is not None:
            state.write_text(json.dumps(warehouse.state))
            command += ["--state", str(state)]
        warehouse.load(killed_run(command, rng))
        change(clinic, rng)
    last = Tap(clinic, tmp_path)(state=warehouse.state)
    assert last.code == 0, last.stderr
    warehouse.load(last.stdout.encode())
    for stream in STREAMS:
        rows = {row["id"]: row for row in clinic.rows(stream)}
        assert warehouse.tables[stream].keys() >= rows.keys()
        for key, row in rows.items():
            assert warehouse.tables[stream][key]["dateFrom"].startswith(row["dateFrom"])
            assert warehouse.tables[stream][key]["note"] == row["note"]


def change(clinic: Sandbox, rng: random.Random) -> None:
    """Let time pass and rows change, so that every run has something to miss."""
    clinic.advance(seconds=rng.randrange(3, 4000))
    for stream in STREAMS:
        key = rng.choice(clinic.rows(stream))["id"]
        clinic.change(stream, key, note=f"changed {rng.random()}")
