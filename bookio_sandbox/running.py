"""A sandbox for tests, benchmarks and the demo: in a thread, or in a process that can be killed."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import fields
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import urlencode, urlsplit

from bookio_api.contract import OPERATIONS
from bookio_sandbox.server import Options, base_url, listen, open_world, server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from email.message import Message

TIMEOUT_S = 30
_OPTIONS = {field.name for field in fields(Options)}


class Reply(NamedTuple):
    """A response of Bookio; ``result`` is the content of its envelope."""

    status: int
    headers: Message
    result: dict[str, Any]


class Sandbox:
    """A running sandbox: its address and its control routes."""

    def __init__(self, url: str, token: str, timeout_s: float = TIMEOUT_S) -> None:
        """Address the sandbox at the base URL ``url``; wait so long for each response."""
        self.url = url
        self.token = token
        self._address = urlsplit(url).netloc
        self._timeout_s = timeout_s

    def ask(
        self,
        operation: str,
        *,
        path: Mapping[str, int] | None = None,
        query: Mapping[str, object] | None = None,
        body: object = None,
        token: str | None = None,
    ) -> Reply:
        """Call one of Bookio's operations directly, without the client's retries and checks."""
        wanted = OPERATIONS[operation]
        target = urlsplit(self.url).path + wanted.path.format_map(path or {})
        headers = {"Authorization": f"Bearer {token or self.token}"}
        answer, content = self.send(
            wanted.method, f"{target}?{urlencode(query or {})}", body, headers
        )
        return Reply(answer.status, answer.headers, json.loads(content)["result"])

    def send(
        self, method: str, target: str, body: object, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Send any request and return the response and its content."""
        connection = http.client.HTTPConnection(self._address, timeout=self._timeout_s)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, target, data, dict(headers))
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def control(self, path: str, body: object = None, method: str | None = None) -> Any:  # noqa: ANN401
        """Call ``/_sandbox{path}``: GET, or POST with a body. ``ValueError`` if refused."""
        method = method or ("GET" if body is None else "POST")
        answer, content = self.send(method, f"/_sandbox{path}", body, {})
        if answer.status != HTTPStatus.OK:
            raise ValueError(content.decode())
        return json.loads(content)

    def rows(self, stream: str) -> list[dict[str, Any]]:
        """Return every row by id, with ``_modified`` (epoch ms) and ``_unsynced``."""
        rows: list[dict[str, Any]] = self.control(f"/rows/{stream}")
        return rows

    def counts(self) -> dict[str, int]:
        """Return the number of rows of each stream."""
        counts: dict[str, int] = self.control("/")["counts"]
        return counts

    def insert(self, stream: str, **row: object) -> int:
        """Insert a row, with made-up values for the other fields; return its id."""
        (row_id,) = self.control("/rows", [{"stream": stream, "insert": row}])
        return int(row_id)

    def change(self, stream: str, row_id: int, **row: object) -> None:
        """Change fields of a row, as a user of Bookio would."""
        self.control("/rows", [{"stream": stream, "change": {"id": row_id, **row}}])

    def remove(self, stream: str, row_id: int) -> None:
        """Remove a row permanently."""
        self.control("/rows", [{"stream": stream, "remove": row_id}])

    def advance(self, *, seconds: float = 0, days: int = 0) -> dict[str, int]:
        """Move the clock; each day brings changes. Return their number by kind."""
        passing = {"advance_seconds": seconds, "advance_days": days}
        changes: dict[str, int] = self.control("/clock", passing)["changes"]
        return changes

    def stop_clock(self) -> None:
        """Stop the clock; only ``advance`` moves it from now on."""
        self.control("/clock", {"ticks": False})

    def now_ms(self) -> int:
        """Return the sandbox's time in epoch ms."""
        return int(self.control("/clock")["now_ms"])

    def behave(self, **behaviour: object) -> None:
        """Change fields of ``Behaviour``."""
        self.control("/settings", behaviour)

    def script(self, operation: str, *answers: dict[str, Any]) -> None:
        """Queue ``Twist`` fields for the next requests of an operation."""
        self.control("/script", {"operation": operation, "answers": answers})

    def hook(self, operation: str, **hook: object) -> None:
        """Change rows just before a list is read: fields of ``Hook``."""
        self.control("/hooks", {"operation": operation, **hook})

    def requests(self, operation: str | None = None) -> list[dict[str, Any]]:
        """Return the requests so far, or those of one operation, oldest first."""
        found = self.control("/requests")
        return [r for r in found if operation in {None, r["operation"]}]

    def emails(self) -> list[dict[str, Any]]:
        """Return the e-mails sent to patients, oldest first."""
        emails: list[dict[str, Any]] = self.control("/emails")
        return emails


@contextmanager
def in_thread(**options: Any) -> Iterator[Sandbox]:  # noqa: ANN401
    """Run a sandbox beside the caller; options are those of ``Options`` and ``Behaviour``."""
    world = Options(**{name: options.pop(name) for name in _OPTIONS & set(options)})
    bookio = open_world(world, options)
    with listen(0) as listener:
        running = server(bookio)
        thread = threading.Thread(target=running.run, args=([listener],), daemon=True)
        thread.start()
        try:
            yield Sandbox(base_url(listener), world.token)
        finally:
            running.should_exit = True
            thread.join()
            bookio.store.close()


@contextmanager
def in_process(*arguments: str, token: str = "sandbox-token") -> Iterator[Sandbox]:  # noqa: S107
    """Run ``bookio-sandbox`` with options on a free port, until the block ends."""
    command = [sys.executable, "-m", "bookio_sandbox", "--port=0", f"--token={token}", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        url = cast("IO[str]", process.stdout).readline().strip()
        if not url:
            msg = "bookio-sandbox did not start; stderr has the reason"
            raise RuntimeError(msg)
        try:
            yield Sandbox(url, token)
        finally:
            process.terminate()
