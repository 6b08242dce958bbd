"""A Bookio whose every response a function of the test decides."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Request(NamedTuple):
    """What was asked."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]


class Response(NamedTuple):
    """What to answer; a body that is not text is sent as JSON."""

    status: int
    body: Any = None
    headers: dict[str, str] | None = None


class ScriptedBookio(NamedTuple):
    """Its address, and the requests so far."""

    url: str
    requests: list[Request]


def listed(key: str, rows: list[dict[str, Any]], **more: Any) -> Response:
    """Return a list in the envelope of Bookio."""
    return Response(200, {"result": {"success": True, "data": {key: rows, **more}}})


def refused(status: int, code: int | None = None) -> Response:
    """Return a refusal in the envelope of Bookio."""
    return Response(status, {"result": {"success": False, "errors": [], "errorCode": code}})


def clinic(request: Request) -> Response:
    """Answer as a clinic with a facility and a few bookings."""
    rows = [
        {"id": 7 + n, "dateFrom": f"2026-11-2{n}T10:00:00", "status": "CONFIRMED"} for n in range(3)
    ]
    if request.method != "GET":
        return refused(400, 10)
    if request.path == "/facilities/cgm":
        return listed("facilities", [{"id": 1, "timeZone": "Europe/Bratislava"}])
    if request.path == "/reservations":
        return listed("reservations", rows, pagination={"total": len(rows)})
    if request.path == "/calendars":
        return listed("calendars", [{"id": 5}])
    if request.path == "/blocked-times":
        return listed("blockedTimes", [{"id": 6}], pagination={"total": 1})
    return refused(404, 404)


@contextmanager
def scripted_bookio(answer: Callable[[Request], Response] = clinic) -> Iterator[ScriptedBookio]:
    """Serve it on a free loopback port until the block ends."""
    requests: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            request = Request(
                self.command, parts.path, dict(parse_qsl(parts.query)), dict(self.headers.items())
            )
            requests.append(request)
            response = answer(request)
            text = isinstance(response.body, str)
            body = (response.body if text else json.dumps(response.body)).encode()
            self.send_response_only(response.status)
            for name, value in {
                **(response.headers or {}),
                "Content-Length": str(len(body)),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
    try:
        yield ScriptedBookio(f"http://127.0.0.1:{server.server_address[1]}", requests)
    finally:
        server.shutdown()
        server.server_close()
