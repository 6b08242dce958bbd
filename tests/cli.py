"""Runs our command lines as a user would: real processes, real HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox

BIN = Path(sys.executable).parent
TIMEOUT = 120


@dataclass
class Run:
    """What a run of the tap left behind."""

    code: int
    stdout: str
    stderr: str

    @cached_property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]

    def records(self, stream: str) -> list[dict[str, Any]]:
        return [
            message["record"]
            for message in self.messages
            if message["type"] == "RECORD" and message["stream"] == stream
        ]

    @property
    def state(self) -> dict[str, Any]:
        states = [message["value"] for message in self.messages if message["type"] == "STATE"]
        return states[-1] if states else {}

    @property
    def errors(self) -> list[str]:
        return [line for line in self.stderr.splitlines() if "| ERROR" in line]


class Tap:
    """tap-bookio with settings of its own, in a folder of its own."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.folder = folder
        self.settings: dict[str, Any] = {"auth_token": sandbox.token, "api_url": sandbox.url}

    def __call__(
        self,
        *options: str,
        state: Any = None,
        catalog: Any = None,
        **settings: Any,
    ) -> Run:
        files = {"config": {**self.settings, **settings}, "state": state, "catalog": catalog}
        given = []
        for name, content in files.items():
            if content is not None:
                path = self.folder / f"{name}.json"
                path.write_text(content if isinstance(content, str) else json.dumps(content))
                given += [f"--{name}", str(path)]
        return run("tap-bookio", *given, *options)


def run(*command: str, stdin: str | None = None, **environment: str) -> Run:
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        input=stdin, capture_output=True, text=True, check=False, timeout=TIMEOUT,
        env={"PATH": "/usr/bin:/bin", **environment},
    )  # fmt: skip
    return Run(done.returncode, done.stdout, done.stderr)
