"""A second, small model of Bookio that shares no code with ours and makes different choices.

Codes stand beside ``result`` and come with HTTP 200, lists are newest first, capped at 50 rows and
without a total, the blocked times have another name, no ``Date`` is sent, ``postcode`` is text,
rows have fields that are unknown, and a write answers nothing.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

CAP = 50
TOKEN = "other-token"
LISTS = {"/reservations": "reservations", "/blocked-times": "blocked"}


class OtherBookio:
    """Its rows, and the requests it received."""

    def __init__(self) -> None:
        self.facilities = [
            {"id": 5, "timeZone": "Europe/Bratislava", "address": {"postcode": "04001"}},
            {"id": 6, "timeZone": "Atlantic/Canary", "rooms": [{"from": "2026-01-01"}]},
        ]
        self.rows: dict[str, dict[int, dict[str, Any]]] = {"reservations": {}, "blocked": {}}
        self.writes: list[str] = []
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self.url = ""

    def add(self, kind: str, **row: Any) -> int:
        key = next(self._ids)
        self.rows[kind][key] = {"id": key, **row}
        return key

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> dict[str, Any]:
        if method == "GET":
            return {"result": {"success": True, "data": self._list(path, query)}}
        with self._lock:
            self.writes.append(f"{method} {path}")
            self._write(method, path, body)
        return {"result": {"success": True}}

    def _list(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        if path == "/facilities/cgm":
            return {"facilities": self.facilities}
        if path == "/calendars":
            return {"calendars": []}
        rows = sorted(self.rows[LISTS[path]].values(), key=lambda row: -row["id"])
        if facility := query.get("facilityId"):
            rows = [row for row in rows if row["facilityId"] == int(facility)]
        start = int(query.get("offset", 0))
        return {LISTS[path]: rows[start : start + min(CAP, int(query.get("limit", 100)))]}

    def _write(self, method: str, path: str, body: Any) -> None:
        if path == "/reservations":
            self.add("reservations", status="CONFIRMED", **body)
        elif path == "/blocked-times":
            self.add("blocked", **body)
        elif method == "DELETE":
            del self.rows["blocked"][int(path.rsplit("/", 1)[1])]
        else:
            kind, key = re.findall(r"^/(reservations|blocked)[^/]*/(\d+)/", path)[0]
            self.rows[kind][int(key)] |= {k: v for k, v in body.items() if v is not None}


@contextmanager
def other_bookio() -> Iterator[OtherBookio]:
    """Run it on a free loopback port."""
    bookio = OtherBookio()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            if self.headers["Authorization"] == f"Bearer {TOKEN}":
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                answer = bookio.answer(self.command, parts.path.removeprefix("/v9"), query, body)
            else:
                answer = {"result": {"success": False, "errors": ["no"]}, "code": "20"}
            content = json.dumps(answer).encode()
            self.send_response_only(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    bookio.url = f"http://127.0.0.1:{server.server_address[1]}/v9"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield bookio
    finally:
        server.shutdown()
        server.server_close()
