"""Ends exchanges that take too long, whatever a server does to keep them alive.

A socket's own timeout starts anew with every byte, so a server that drips is never late. Here
every exchange has one deadline, and whoever misses it finds the socket shut.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as TransportTimeout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from urllib3.connection import HTTPConnection


class StoppedError(HTTPError):
    """The client has been stopped; nothing was sent."""


@dataclass(slots=True, eq=False)
class Exchange:
    """One request and its answer; ``socket`` once it has one, ``due`` in ``time.monotonic``."""

    socket: Any = None
    due: float = 0
    late: bool = False


class Watch:
    """Knows every socket that carries an exchange, and shuts those that are late.

    One thread watches all: they all have the same time, so it sleeps until the oldest is due, and
    none that begins meanwhile can be due before.
    """

    def __init__(self, seconds: float) -> None:
        """Give each exchange so many seconds from its request on."""
        self.stopped = threading.Event()
        """Nothing new is sent once it is set."""
        self._seconds = seconds
        self._carried: dict[Any, Exchange] = {}
        self._here = threading.local()
        self._lock = threading.RLock()  # a signal's handler may close while its thread holds it
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def exchange(self) -> Iterator[None]:
        """Carry one request and its answer, on this thread.

        Raises:
            TransportTimeout: the answer was not whole in time, whatever else went wrong then.
        """
        this = self._here.exchange = Exchange()
        try:
            yield
        except Exception:
            if not this.late:
                raise
        finally:
            with self._lock:
                if self._carried.get(this.socket) is this:
                    del self._carried[this.socket]
        if this.late:
            raise TransportTimeout

    def hold(self, carrier: Any) -> None:  # noqa: ANN401 - a socket, or what wraps one
        """Start the time of this thread's exchange, which goes over this socket.

        Raises:
            StoppedError: nothing may be sent any more.
        """
        this: Exchange = self._here.exchange
        with self._lock:
            if self.stopped.is_set():
                raise StoppedError
            this.socket, this.due = carrier, time.monotonic() + self._seconds
            self._carried[carrier] = this
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop, and shut every socket that carries an exchange."""
        self.stopped.set()
        self._closed.set()
        with self._lock:
            for carrier in self._carried:
                _shut(carrier)

    def _run(self) -> None:
        while not self._closed.wait(self._shut_late()):
            pass

    def _shut_late(self) -> float:
        """Shut what is late; return the seconds until anything else can be."""
        with self._lock:
            now = time.monotonic()
            for late in [this for this in self._carried.values() if this.due <= now]:
                late.late = True
                _shut(late.socket)
                del self._carried[late.socket]
            return min((this.due - now for this in self._carried.values()), default=self._seconds)


def watched(kind: type[HTTPConnection], watch: Watch) -> type[HTTPConnection]:
    """Return a class of connections whose sockets the watch holds while they carry an exchange."""

    class Watched(kind):  # type: ignore[misc, valid-type]
        """A connection with a deadline, which begins when it is made or used again."""

        def connect(self) -> None:
            super().connect()
            watch.hold(self.sock)

        def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as urllib3 has it
            if self.sock is not None:
                watch.hold(self.sock)
            super().request(*args, **kwargs)

    return Watched


def _shut(carrier: Any) -> None:  # noqa: ANN401
    """Wake whoever reads from or writes to this socket, with an error or the end of the data."""
    inner = getattr(carrier, "socket", carrier)  # TLS within TLS, to a proxy
    with suppress(OSError):
        socket.socket.shutdown(inner, socket.SHUT_RDWR)
