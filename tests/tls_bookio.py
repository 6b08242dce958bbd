"""A Bookio behind TLS, whose certificate comes from a private certificate authority."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BODY = json.dumps({"result": {"success": True, "data": {"facilities": []}}}).encode()
EXTENSIONS = """\
subjectAltName=DNS:localhost
basicConstraints=CA:FALSE
extendedKeyUsage=serverAuth
authorityKeyIdentifier=keyid
"""


class TlsBookio(ThreadingHTTPServer):
    """Counts the connections that are tried, whether or not they are trusted."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tries = 0
        self.url = f"https://localhost:{self.server_address[1]}/api"
        self.url_of_another_host = f"https://127.0.0.1:{self.server_address[1]}/api"
        self.authority = folder / "ca.pem"
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "server.pem", folder / "server.key")

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        self.tries += 1
        return self._context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        ), address

    def handle_error(self, *_: Any) -> None:
        """Log nothing about clients that do not trust us."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@contextmanager
def serving_tls(folder: Path) -> Iterator[TlsBookio]:
    """Make an authority and a certificate for ``localhost`` in a folder, and serve with them."""
    _openssl(
        folder,
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2",
        "-subj",
        "/CN=Clinic CA",
        "-addext",
        "keyUsage=critical,keyCertSign",
    )
    _openssl(
        folder,
        "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr",
        "-subj",
        "/CN=localhost",
    )
    (folder / "extensions").write_text(EXTENSIONS)
    _openssl(
        folder,
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial"
        " -out server.pem -days 2 -extfile extensions",
    )
    server = TlsBookio(folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def _openssl(folder: Path, arguments: str, *more: str) -> None:
    command = ["openssl", *arguments.split(), *more]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
