"""The demo runs once at a time, and touches only its own files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

DEMO = Path(__file__).parents[2] / "demo"


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
    program = (
        "import subprocess\n"
        "from demo.airflow.processes import none_left\n"
        "with none_left():\n"
        "    orphan = 'setsid sleep 600 > /dev/null & echo $!'\n"
        "    print(subprocess.check_output(['bash', '-c', orphan], text=True))\n"
    )
    started = subprocess.check_output([sys.executable, "-c", program], cwd=DEMO.parent, text=True)
    assert not psutil.pid_exists(int(started))


def test_a_warehouse_that_the_demo_did_not_make_is_not_deleted(tmp_path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(DEMO)!r})\n"
        "import run, pathlib\n"
        "run.WAREHOUSE, run.LOG = pathlib.Path('bookio.duckdb'), pathlib.Path('demo.log')\n"
        "run.main()\n"
    )
    file = tmp_path / "bookio.duckdb"
    file.write_text("a clinic's")
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(DEMO.parent)},
    )
    assert "bookio.duckdb was not made by the demo" in done.stderr
    assert file.read_text() == "a clinic's"
