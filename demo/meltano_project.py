"""Meltano in its own environment, beside the project's."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
OUTPUT = ROOT / "output"
REQUIREMENTS = ROOT / "requirements"
HOME = ROOT / ".venv-meltano"
PYTHON = os.environ.get("LOADER_PYTHON") or sys.executable
"""Meltano and its plugins may need an older Python than the tap."""
LOG = OUTPUT / "demo.log"
LAST_LINES = 15


class DemoError(Exception):
    """A step of the demo failed; the message says why, or has its last lines of output."""


@contextmanager
def alone() -> Iterator[None]:
    """Lock the demo's folder, or report that another demo is running."""
    OUTPUT.mkdir(exist_ok=True)
    with (OUTPUT / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"a demo is running in {ROOT} already: wait until it ends, or use another clone"
            raise DemoError(msg) from None
        yield


class MeltanoProject:
    """The project of ``meltano.yml``, in its environment ``demo`` and with fresh state.

    It reads no ``.env`` and no setting of the caller's environment, needs no hub and sends no usage
    statistics.
    """

    def __init__(self) -> None:
        """Begin a new log and forget the last demo's state."""
        ours = ("TAP_", "TARGET_", "MELTANO_")
        kept = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
        self.environment = {
            **kept,
            "MELTANO_PROJECT_ROOT": str(ROOT),
            "MELTANO_SYS_DIR_ROOT": str(HOME / "project"),
            "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
            "MELTANO_CLI_LOG_LEVEL": "info",
            "NO_COLOR": "1",
            "PYTHONIOENCODING": "utf-8",
        }
        LOG.write_text("")
        (HOME / "project" / "meltano.db").unlink(missing_ok=True)

    def install(self, kind: str, plugin: str, lock: str) -> None:
        """Install Meltano and a plugin, unless they match their lock files."""
        pins = REQUIREMENTS / "meltano.txt"
        if not _is_installed("meltano", pins):
            self._do(PYTHON, ROOT / "demo" / "loader_python.py")
            self._do(PYTHON, "-m", "venv", "--clear", HOME)
            pip = HOME / "bin" / "pip"
            self._do(pip, "install", "--quiet", "--require-hashes", "--requirement", pins)
            _note_installed("meltano", pins)
        pins = REQUIREMENTS / lock
        if not _is_installed(plugin, pins):
            self._meltano("install", kind, plugin)
            _note_installed(plugin, pins)

    def run(self, *blocks: str) -> None:
        """Run a pipeline."""
        self._meltano("run", *blocks)

    def invoke(self, command: str) -> None:
        """Invoke a command of a plugin."""
        self._meltano("invoke", command)

    def _meltano(self, *arguments: str) -> None:
        meltano = HOME / "bin" / "meltano"
        self._do(meltano, "--env-file", os.devnull, "--environment=demo", *arguments)

    def _do(self, *command: str | Path) -> None:
        with LOG.open("r+", encoding="utf-8", errors="replace") as log:
            start = log.seek(0, os.SEEK_END)
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
            log.seek(start)
            last = "".join(log.readlines()[-LAST_LINES:])
        if done.returncode != 0:
            words = " ".join(Path(word).name for word in map(str, command))
            msg = f"{last}{words} failed; all of its output is in {LOG.relative_to(ROOT)}"
            raise DemoError(msg)


def _is_installed(what: str, pins: Path) -> bool:
    noted = HOME / f".{what}"
    return noted.exists() and noted.read_text() == _identity(pins)


def _note_installed(what: str, pins: Path) -> None:
    (HOME / f".{what}").write_text(_identity(pins))


def _identity(pins: Path) -> str:
    return f"{sys.version}\n{PYTHON}\n{pins.read_text()}"
