"""Ends exchanges that take too long, whatever the server does to keep them alive.

A socket's own timeout restarts with every byte, so a server that sends one byte now and then
is never late. Here every exchange has one deadline; when it passes, the socket is shut down under
the thread that reads from it.
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
    """One request and its response, on one thread."""

    socket: Any = None
    """A socket or its wrapper, once there is one."""
    ends_at: float = 0
    """In ``time.monotonic()``."""
    is_late: bool = False
    """Set by the thread ``deadlines``, which shut the socket."""


class Deadlines:
    """Tracks every socket with an exchange, and shuts down those that are late.

    One thread watches all of them. They all have the same time limit, so it sleeps until the oldest
    expires: one that starts later cannot expire earlier.
    """

    def __init__(self, timeout_s: float) -> None:
        """Give each exchange this many seconds from its request on."""
        self.stopped = threading.Event()
        """Once set, nothing new is sent."""
        self._timeout_s = timeout_s
        # The next three change under _lock. It is reentrant because a signal handler may call
        # close() on a thread that holds it.
        self._lock = threading.RLock()
        self._carried: dict[Any, Exchange] = {}  # by socket; threads add and remove their own
        self._thread: threading.Thread | None = None  # started with the first exchange
        self.opened = 0
        """How many sockets were opened; nothing else writes it."""
        self._current = threading.local()  # .exchange: the one of this thread
        self._closed = threading.Event()

    @contextmanager
    def exchange(self) -> Iterator[None]:
        """Run one request and its response, on this thread.

        Raises:
            TransportTimeout: the response was not complete in time.
        """
        this = self._current.exchange = Exchange()
        try:
            yield
        except Exception:
            if not this.is_late:
                raise
        finally:
            with self._lock:
                # A returned connection may already carry another thread's exchange.
                if self._carried.get(this.socket) is this:
                    del self._carried[this.socket]
        if this.is_late:
            raise TransportTimeout

    def start(self, carrier: Any, *, is_new: bool = False) -> None:  # noqa: ANN401 - a socket, or what wraps one
        """Start the time limit of this thread's exchange on this socket, and count a new one.

        Raises:
            StoppedError: nothing may be sent any more.
        """
        this: Exchange = self._current.exchange
        with self._lock:
            if self.stopped.is_set():
                raise StoppedError
            this.socket, this.ends_at = carrier, time.monotonic() + self._timeout_s
            self._carried[carrier] = this
            self.opened += is_new
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop, and shut down every socket that carries an exchange."""
        self.stopped.set()
        self._closed.set()
        with self._lock:
            for carrier in self._carried:
                _shut_down(carrier)

    def _run(self) -> None:
        while not self._closed.wait(self._shut_down_late()):
            pass

    def _shut_down_late(self) -> float:
        """Shut down late exchanges; return the seconds until the next one can be late."""
        with self._lock:
            now = time.monotonic()
            for late in [this for this in self._carried.values() if this.ends_at <= now]:
                late.is_late = True
                _shut_down(late.socket)
                del self._carried[late.socket]
            return min(
                (this.ends_at - now for this in self._carried.values()), default=self._timeout_s
            )


def with_deadlines(kind: type[HTTPConnection], deadlines: Deadlines) -> type[HTTPConnection]:
    """Return a class of connections whose exchanges have a deadline."""

    class TimedConnection(kind):  # type: ignore[misc, valid-type]
        """A connection that starts an exchange's time limit when it is opened or reused.

        It sends a request in one piece. urllib3 sends head and body one after the other, which
        wakes the server for half a request, and gives up the interpreter twice.
        """

        _unsent: bytearray | None = None
        """The request while it is being put together."""

        def connect(self) -> None:
            super().connect()
            deadlines.start(self.sock, is_new=True)

        def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as urllib3 has it
            if self.sock is not None:
                deadlines.start(self.sock)
            self._unsent = whole = bytearray()
            try:
                super().request(*args, **kwargs)
            finally:
                self._unsent = None
            self.send(whole)

        def send(self, data: Any) -> None:  # noqa: ANN401 - as http.client has it
            if self._unsent is None:
                super().send(data)
            else:
                self._unsent += data

    return TimedConnection


def _shut_down(carrier: Any) -> None:  # noqa: ANN401
    """Wake whichever thread reads from or writes to this socket, with an error or end of data."""
    inner = getattr(carrier, "socket", carrier)  # TLS within TLS, to a proxy
    with suppress(OSError):
        socket.socket.shutdown(inner, socket.SHUT_RDWR)
