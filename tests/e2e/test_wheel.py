"""The wheel works where the source is not, with what a plain install brings and no more."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STREAMS = {"facilities", "calendars", "reservations", "blocked_times"}
OF_EXTRAS = ("starlette", "uvicorn", "httptools", "jsonschema_rs", "faker", "duckdb", "psycopg")
UV = [sys.executable, "-m", "uv", "--quiet"]


@pytest.fixture(scope="module")
def bin_of_plain_install(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel and install it with the pinned dependencies of a plain install."""
    wheels, home = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("plain")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", wheels, ROOT],
        check=True,
        capture_output=True,
    )
    [wheel] = wheels.glob("singer_bookio-*.whl")
    subprocess.run([*UV, "venv", "--python", sys.executable, home / "env"], check=True)
    install = [*UV, "pip", "install", "--python", home / "env/bin/python"]
    pins = ["--require-hashes", "--requirement", ROOT / "requirements/runtime.txt"]
    subprocess.run([*install, *pins], check=True)
    subprocess.run([*install, "--no-deps", wheel], check=True)
    return home / "env/bin"


def run_in(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run in an empty folder, with an empty environment."""
    environment = {"PATH": "/usr/bin:/bin"}
    return subprocess.run(
        command, cwd=folder, env=environment, check=False, capture_output=True, text=True
    )


def test_the_wheel_discovers_its_streams(bin_of_plain_install: Path, tmp_path: Path) -> None:
    done = run_in(tmp_path, bin_of_plain_install / "tap-bookio", "--discover")
    assert done.returncode == 0, done.stderr
    streams = json.loads(done.stdout)["streams"]
    assert {stream["tap_stream_id"] for stream in streams} == STREAMS
    assert all(stream["schema"]["properties"] for stream in streams)


@pytest.mark.parametrize("script", ["tap-bookio", "target-bookio"])
def test_the_wheels_plugins_describe_themselves(
    bin_of_plain_install: Path, tmp_path: Path, script: str
) -> None:
    done = run_in(tmp_path, bin_of_plain_install / script, "--about", "--format=json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == script


@pytest.mark.parametrize("script", ["bookio-doctor", "bookio-shards"])
def test_commands_without_extra_work_in_a_plain_install(
    bin_of_plain_install: Path, tmp_path: Path, script: str
) -> None:
    done = run_in(tmp_path, bin_of_plain_install / script, "--help")
    assert done.returncode == 0, done.stderr


def test_a_plain_install_has_no_extras(bin_of_plain_install: Path, tmp_path: Path) -> None:
    """No web server and no database: what an extra brings cannot be imported."""
    program = shutil.copy(ROOT / "tests/installed_modules.py", tmp_path)
    done = run_in(tmp_path, bin_of_plain_install / "python", program, *OF_EXTRAS, "singer_sdk")
    assert done.stdout.split() == ["singer_sdk"], "the last one shows that the test can see"


@pytest.mark.parametrize(
    ("script", "extra"), [("bookio-sandbox", "sandbox"), ("tap-warehouse", "warehouse")]
)
def test_a_script_without_its_extra_names_it(
    bin_of_plain_install: Path, tmp_path: Path, script: str, extra: str
) -> None:
    done = run_in(tmp_path, bin_of_plain_install / script)
    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert f"pip install 'singer-bookio[{extra}]'" in line
