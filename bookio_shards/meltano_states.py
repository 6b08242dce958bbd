"""The states of a Meltano project, through Meltano's own command line.

Meltano knows where they are: a database, a folder, or a bucket. It is installed in its own virtual
environment, so it is run as a program, not imported. Checked against Meltano 4.4.1.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bookio_api.errors import BookioError, ErrorKind, SettingsError

if TYPE_CHECKING:
    from tap_bookio.bookmark import State

_SINGER_STATE = "singer_state"
_TIMEOUT_S = 600


class MeltanoError(BookioError):
    """A Meltano command failed."""

    kind = ErrorKind.MELTANO


@dataclass(frozen=True)
class MeltanoStates:
    """Reads and writes the states of one project."""

    program: str
    project: Path
    environment: str | None
    """A Meltano environment, if each has its own states; None for the default one."""

    def read(self, state_ids: Iterable[str]) -> dict[str, Any]:
        """Return those of these Singer states that exist, as the next run would get them.

        Other pipelines' states are not looked at, whatever they contain.
        """
        try:
            exported = json.loads(self._run("export"))
        except (ValueError, RecursionError):
            exported = None
        if not isinstance(exported, dict):
            msg = f"{_named('export')} printed no states; use Meltano 4.4.1 or later"
            raise MeltanoError(msg)
        states = {key: _merged(key, exported[key]) for key in state_ids if key in exported}
        return {key: state for key, state in states.items() if state}

    def write(self, states: Mapping[str, State]) -> None:
        """Replace these states: in a database all at once, elsewhere one by one."""
        exported = {
            state_id: {"completed": {_SINGER_STATE: state}, "partial": {}}
            for state_id, state in states.items()
        }
        self._run("import", stdin=json.dumps(exported))

    def clear(self, state_id: str) -> None:
        """Delete a state."""
        self._run("clear", "--force", state_id)

    def _run(self, action: str, *arguments: str, stdin: str = "") -> str:
        """Run ``meltano state``, and return what it printed."""
        if not (self.project / "meltano.yml").is_file():
            msg = f"{self.project} has no meltano.yml; name the folder of a project in --project"
            raise SettingsError(msg)
        # A relative path starts from our own working folder, but the program runs in the project.
        program = str(Path(self.program).absolute()) if os.sep in self.program else self.program
        chosen = ["--environment", self.environment] if self.environment else []
        command = [program, "--log-level=warning", *chosen, "state", action, *arguments]
        try:
            done = subprocess.run(  # noqa: S603 - the program that --meltano names
                command,
                cwd=self.project,
                env={**os.environ, "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
                input=stdin,
                capture_output=True,
                encoding="utf-8",
                timeout=_TIMEOUT_S,
                check=False,
            )
        except OSError as error:
            msg = (
                f"{self.program} cannot be run: {error.strerror}; name Meltano's program in "
                "--meltano, as in --meltano .venv-meltano/bin/meltano"
            )
            raise SettingsError(msg) from error
        except subprocess.TimeoutExpired as error:
            msg = f"{_named(action)} did not finish within {_TIMEOUT_S} seconds; run it yourself"
            raise MeltanoError(msg) from error
        if done.returncode:
            # Meltano's output may contain the address of its database, with a password.
            msg = (
                f"{_named(action)} failed with exit code {done.returncode}; run it "
                f"yourself in {self.project.absolute()} to see why"
            )
            raise MeltanoError(msg)
        return done.stdout


def _named(action: str) -> str:
    return f"meltano state {action}"


def _merged(state_id: str, parts: Any) -> Any:  # noqa: ANN401 - the state of any tap
    """Return a state merged as Meltano merges it.

    ``partial`` is what failed runs have loaded since the last ``completed`` one; its values win,
    and lists are replaced as a whole. Meltano allows either part to be missing.
    """
    merged: dict[str, Any] = {}
    try:
        for part in (parts.get("completed"), parts.get("partial")):
            _merge(part or {}, merged)
    except (AttributeError, TypeError, RecursionError):  # not objects, or nested too deep
        msg = (
            f"{state_id}: this state is damaged, so no run can continue from it; replace it with "
            f"meltano state set {state_id}, or remove it with meltano state clear {state_id} and "
            "its facilities are read in full again"
        )
        raise MeltanoError(msg) from None
    return merged.get(_SINGER_STATE)


def _merge(source: Mapping[str, Any], into: dict[str, Any]) -> None:
    for key, value in source.items():
        if isinstance(value, dict):
            _merge(value, into.setdefault(key, {}))
        else:
            into[key] = value
