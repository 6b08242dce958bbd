"""Runs our command lines as a user would: real processes, real HTTP."""

from __future__ import annotations

import json
import os
import re
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
MEASURED = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
"""What `make coverage` passes to subprocesses, so that it measures them too."""
NAMES_A_SECTION = re.compile(r" \(docs/errors\.md#[a-z-]+\)$")


@dataclass
class Run:
    """The result of a command."""

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
        """The lines about errors, each of which names the section of the docs about it."""
        lines = [line for line in self.stderr.splitlines() if "| ERROR" in line]
        assert [line for line in lines if not NAMES_A_SECTION.search(line)] == []
        return lines


class Tap:
    """tap-bookio with its own settings and folder."""

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
        arguments = []
        for name, content in files.items():
            if content is not None:
                path = self.folder / f"{name}.json"
                path.write_text(content if isinstance(content, str) else json.dumps(content))
                arguments += [f"--{name}", str(path)]
        return run("tap-bookio", *arguments, *options)


def run(
    *command: str, stdin: str | None = None, is_measured: bool = True, **environment: str
) -> Run:
    """Run one of our commands; ``is_measured`` lets coverage write its file beside it."""
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
        env={"PATH": "/usr/bin:/bin", **(MEASURED if is_measured else {}), **environment},
    )
    return Run(done.returncode, done.stdout, done.stderr)


class Target:
    """target-bookio with its own journal and rejects, and a facility to book at."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.journal, self.rejects = folder / "own/journal.sqlite3", folder / "own/rejects.jsonl"
        self.settings: dict[str, Any] = {
            "auth_token": sandbox.token,
            "api_url": sandbox.url,
            "journal_path": str(self.journal),
            "rejects_path": str(self.rejects),
            "resend_after_seconds": 2,
        }
        self.config = folder / "target.json"
        self.facility = sandbox.rows("facilities")[0]["id"]
        [calendar, *_] = [c for c in sandbox.rows("calendars") if c["facilityId"] == self.facility]
        self.service = calendar["services"][0]["id"]

    def booking(self, number: int, **changes: Any) -> dict[str, Any]:
        """Return a valid reservation; each number gives another person and time."""
        hour, day = 8 + number % 9, 1 + number // 9 % 28
        return {
            "externalId": 9_000_000 + number,
            "facilityId": self.facility,
            "serviceId": self.service,
            "name": "Jana",
            "surname": f"Nováková{number}",
            "email": f"jana{number}@example.org",
            "phone": "+421905123456",
            "locale": "sk",
            "dateFrom": f"2026-12-{day:02}T{hour:02}:{number // 252 % 60:02}:00+01:00",
            **changes,
        }

    def block(self, number: int, **changes: Any) -> dict[str, Any]:
        """Return a blocked time."""
        return {
            "externalId": 7_000_000 + number,
            "facilityId": self.facility,
            "dateFrom": f"2026-12-{1 + number % 28:02}T12:00:00",
            "dateTo": f"2026-12-{1 + number % 28:02}T13:00:00",
            "note": "Obed",
            **changes,
        }

    def command(self, **settings: Any) -> list[str]:
        self.config.write_text(json.dumps({**self.settings, **settings}))
        return [str(BIN / "target-bookio"), "--config", str(self.config)]

    def __call__(
        self,
        records: list[dict[str, Any]],
        stream: str = "reservations",
        *options: str,
        **settings: Any,
    ) -> Run:
        lines = singer_lines(stream, records)
        return run("target-bookio", *self.command(**settings)[1:], *options, stdin=lines)

    def rejected(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.rejects.read_text().splitlines()]


def writes(sandbox: Sandbox) -> list[str]:
    """Return the operations of the writes received, oldest first."""
    return [r["operation"] for r in sandbox.requests() if r["method"] != "GET"]


def by_external_id(sandbox: Sandbox, stream: str = "reservations") -> dict[int, dict[str, Any]]:
    """Return the rows of a stream by ``externalId``."""
    return {row["externalId"]: row for row in sandbox.rows(stream)}


def singer_lines(stream: str, records: list[dict[str, Any]]) -> str:
    """Return a Singer stream of records, and a STATE with their number."""
    properties = {"id": {"type": ["integer", "null"]}}
    schema = {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}}
    messages = [{**schema, "key_properties": ["id"]}]
    messages += [{"type": "RECORD", "stream": stream, "record": record} for record in records]
    messages.append({"type": "STATE", "value": {"records": len(records)}})
    return "".join(json.dumps(message) + "\n" for message in messages)
