"""systemd accepts the units in `orchestrate/`, and the script reports every failure."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.cli import BIN
from tests.loaders import missing

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "orchestrate/systemd").iterdir())
HOME = "/srv/bookio"


def verify(folder: Path, change: tuple[str, str] = ("", "")) -> str:
    """Return systemd's messages about the units, with a checkout in the folder."""
    if not shutil.which("systemd-analyze"):
        missing("systemd-analyze")
    for program in ("orchestrate/write-back.sh", ".venv-meltano/bin/meltano"):
        (folder / program).parent.mkdir(parents=True, exist_ok=True)
        (folder / program).write_text("#!/bin/sh\n")
        (folder / program).chmod(0o755)
    units = folder / "units"
    units.mkdir()
    for unit in UNITS:
        text = unit.read_text().replace(HOME, str(folder)).replace(*change)
        (units / unit.name).write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no"]
    paths = [str(path).replace("@.service", "@x.service") for path in sorted(units.iterdir())]
    done = subprocess.run([*command, *paths], capture_output=True, text=True, check=False)
    return "\n".join(line for line in done.stderr.splitlines() if "bookio" in line)


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    assert len(UNITS) == 5
    assert verify(tmp_path) == ""


@pytest.mark.parametrize(
    "change", [("OnCalendar=hourly", "OnCalendar=hurly"), ("Type=oneshot", "Typ=oneshot")]
)
def test_systemd_detects_a_mistake_in_a_unit(tmp_path: Path, change: tuple[str, str]) -> None:
    """Negative control of the test above."""
    assert verify(tmp_path, change)


def wait_for(path: Path) -> None:
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.05)
    pytest.fail(f"{path.name} was never written")


def write_back(home: Path, sandbox: Sandbox, query: str, **settings: Any) -> int:
    """Run the script in its own checkout; return its exit code."""
    (home / ".venv").mkdir()
    (home / ".venv/bin").symlink_to(BIN)
    warehouse = {"filepath": str(home / "bookio.duckdb"), "queries": {"blocked_times": query}}
    (home / "warehouse.json").write_text(json.dumps(warehouse))
    target = {"auth_token": sandbox.token, "api_url": sandbox.url, **settings}
    (home / "target.json").write_text(json.dumps(target))
    duckdb.connect(home / "bookio.duckdb").close()
    environment = {"PATH": os.defpath, "BOOKIO_HOME": str(home)}
    return subprocess.run(
        [ROOT / "orchestrate/write-back.sh"], env=environment, check=False
    ).returncode


def wish(facility: int) -> str:
    return (
        f"SELECT 501 AS externalid, {facility} AS facilityid, "
        "'2027-06-01T12:00:00' AS datefrom, "
        "'2027-06-01T13:00:00' AS dateto, 'Training' AS note"
    )


def test_a_successful_pipe_ends_with_0(tmp_path: Path, sandbox: Sandbox) -> None:
    facility = sandbox.rows("facilities")[0]["id"]
    assert write_back(tmp_path, sandbox, wish(facility)) == 0
    assert 501 in [row["externalId"] for row in sandbox.rows("blocked_times")]


def test_a_reject_ends_with_3(tmp_path: Path, sandbox: Sandbox) -> None:
    assert write_back(tmp_path, sandbox, wish(facility=1)) == 3


def test_a_failed_warehouse_ends_with_1(tmp_path: Path, sandbox: Sandbox) -> None:
    """The target sees only an empty input and ends with 0; the script must not."""
    assert write_back(tmp_path, sandbox, "SELECT * FROM no_such_table") == 1


def test_a_wrong_token_ends_with_1(tmp_path: Path, sandbox: Sandbox) -> None:
    facility = sandbox.rows("facilities")[0]["id"]
    assert write_back(tmp_path, sandbox, wish(facility), auth_token="wrong") == 1


def test_a_stop_waits_for_the_target_and_keeps_its_code(tmp_path: Path) -> None:
    """systemd stops the whole group: the script must outlive the target."""
    programs = tmp_path / ".venv/bin"
    programs.mkdir(parents=True)
    (programs / "tap-warehouse").symlink_to("/bin/true")
    (programs / "target-bookio").symlink_to(ROOT / "tests/stopped_target.sh")
    environment = {"PATH": os.defpath, "BOOKIO_HOME": str(tmp_path)}
    with subprocess.Popen(
        [ROOT / "orchestrate/write-back.sh"], env=environment, start_new_session=True
    ) as script:
        wait_for(tmp_path / "started")
        os.killpg(script.pid, signal.SIGTERM)
        assert script.wait(timeout=60) == 3
