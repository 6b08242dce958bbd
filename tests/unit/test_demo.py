"""The demo runs once at a time, and touches only its own files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "demo"


@pytest.fixture
def project(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(DEMO))
    import meltano_project  # noqa: PLC0415 - demo/ is not a package

    monkeypatch.setattr(meltano_project, "OUTPUT", tmp_path / "output")
    return meltano_project


def test_a_second_demo_in_the_same_folder_says_so(project) -> None:
    with project.alone():
        refused = pytest.raises(project.DemoError, match="a demo is running")
        with refused, project.alone():
            pass
    with project.alone():
        pass  # the first one is over


def test_airflow_demo_ends_processes_whose_parent_is_gone() -> None:
    """Also those in their own session, which Ctrl-C does not reach."""
    command = [sys.executable, "-m", "tests.orphaned_process"]
    started = subprocess.check_output(command, cwd=ROOT, text=True)
    assert not psutil.pid_exists(int(started))


def test_a_warehouse_that_the_demo_did_not_make_is_not_deleted(tmp_path) -> None:
    file = tmp_path / "bookio.duckdb"
    file.write_text("a clinic's")
    done = subprocess.run(
        [sys.executable, ROOT / "tests/demo_elsewhere.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": f"{ROOT}:{DEMO}"},
    )
    assert "bookio.duckdb was not made by the demo" in done.stderr
    assert file.read_text() == "a clinic's"
