"""The wheel works where the source is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STREAMS = {"facilities", "calendars", "reservations", "blocked_times"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel and install it, without dependencies, into a folder of its own."""
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(ROOT)]
    subprocess.run([*pip, *build], check=True)
    [wheel] = wheels.glob("singer_bookio-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    return target


def elsewhere(installed: Path, code: str) -> str:
    """Run code where only the wheel's packages can be found."""
    paths = f"import sys; sys.path[:] = [p for p in sys.path if p != {str(ROOT)!r}]; "
    done = subprocess.run(
        [sys.executable, "-P", "-c", paths + code], cwd=installed, check=True,
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(installed)},
    )  # fmt: skip
    return done.stdout


def test_it_discovers_its_streams(installed: Path) -> None:
    code = (
        "import bookio_api, os; assert bookio_api.__file__.startswith(os.getcwd()); "
        "from tap_bookio.tap import TapBookio; "
        "print(TapBookio(config={'auth_token': 'T'}).catalog_json_text)"
    )
    catalog = json.loads(elsewhere(installed, code))
    assert {stream["tap_stream_id"] for stream in catalog["streams"]} == STREAMS
    assert all(stream["schema"]["properties"] for stream in catalog["streams"])


def test_it_starts_a_sandbox(installed: Path) -> None:
    code = (
        "from bookio_sandbox.running import in_thread\n"
        "with in_thread(size=20) as sandbox: print(len(sandbox.rows('reservations')))"
    )
    assert elsewhere(installed, code).strip() == "20"


def test_it_brings_the_console_scripts(installed: Path) -> None:
    assert {"tap-bookio", "bookio-sandbox"} <= {path.name for path in (installed / "bin").iterdir()}
