"""A Bookio that sends its bytes one by one, over plain sockets."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOD = b'{"result": {"success": true, "data": {"facilities": []}}}'
HEAD = b"HTTP/1.1 200 OK\r\n"


class Drip:
    """Sends ``head``, then ``drop`` again and again; after ``times`` such answers, good ones."""

    def __init__(self, head: bytes, drop: bytes, *, times: int, every: float) -> None:
        self.head, self.drop, self.times, self.every = head, drop, times, every
        self.asked = 0
        self.dripping = threading.Event()
        self.over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/api"

    def serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            while b"\r\n\r\n" in client.recv(65536):
                self.asked += 1
                if self.asked > self.times:
                    length = b"Content-Length: %d\r\n\r\n" % len(GOOD)
                    client.sendall(HEAD + length + GOOD)
                    continue
                client.sendall(self.head)
                self.dripping.set()
                while not self.over.wait(self.every):
                    client.sendall(self.drop)
                return

    def close(self) -> None:
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def dripping(
    head: bytes = b"", drop: bytes = b"", *, times: int = 10**9, every: float = 0.05
) -> Iterator[Drip]:
    """Serve such a Bookio until the block ends."""
    server = Drip(head, drop, times=times, every=every)
    threading.Thread(target=server.serve, daemon=True).start()
    try:
        yield server
    finally:
        server.close()
