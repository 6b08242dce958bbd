"""Sends requests, within bounds of time and size, and sends again what may be sent again.

| signal | read | write |
|---|---|---|
| surely nothing was sent; 429 | sent again | sent again |
| timeout, reset, 5xx, code 666, broken or empty body | sent again | ``OutcomeUnknownError`` |
| anything else | raised | raised |
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from requests.adapters import HTTPAdapter
from urllib3.exceptions import (
    ClosedPoolError,
    ConnectTimeoutError,
    HTTPError,
    InvalidHeader,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.exceptions import (
    TimeoutError as TransportTimeout,
)
from urllib3.util import Retry

from bookio_api.errors import (
    BookioError,
    ContractError,
    OutcomeUnknownError,
    RateLimitError,
    TransportError,
)
from bookio_api.http.deadlines import StoppedError, Watch, watched
from bookio_api.http.proxies import pool_of
from bookio_api.http.rate_limit import Pace
from bookio_api.responses import RawResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from urllib3 import BaseHTTPResponse

    from bookio_api.contract import Operation

T = TypeVar("T")

MAX_ATTEMPTS = 6
MAX_RETRY_AFTER = timedelta(minutes=5)
MAX_RESPONSE_BYTES = 64 * 1024 * 1024
"""Bound of one decoded answer; a page of 100 rows is some 70 KiB."""

_CHUNK = 256 * 1024
_BACKOFF_BASE = 0.3
_BACKOFF_CAP = 30.0
_LONGEST_WAIT = 366 * 86400
"""Whoever asks for more gets this answer too: a time beyond the calendar cannot be shown."""

logger = logging.getLogger(__name__)


class Request(NamedTuple):
    """What to send."""

    method: str
    url: str
    """Path and query."""
    headers: Mapping[str, str]
    body: bytes | None = None


class Transport:
    """One connection pool to one host.

    Each request goes straight to urllib3, which is what keeps it fast.
    """

    def __init__(
        self, api_url: str, *, connections: int, timeout: float, per_second: float = 0
    ) -> None:
        """Open no connection yet; with no ``per_second`` there is no limit."""
        self._adapter = HTTPAdapter(pool_maxsize=connections)
        self._pool: Any = pool_of(self._adapter, api_url)
        self._watch = Watch(timeout)
        self._pool.ConnectionCls = watched(self._pool.ConnectionCls, self._watch)
        self._free = BoundedSemaphore(connections)
        self._timeout = timeout
        self._pace = Pace(per_second) if per_second else None

    def send(
        self, op: Operation, request: Request, parse: Callable[[Operation, RawResponse], T]
    ) -> T:
        """Return ``parse(op, reply)``, trying again as the module's table says."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            reply: RawResponse | None = None
            sent = True
            try:
                reply = self._exchange(op, request)
                return parse(op, reply)
            except BookioError as error:
                failure: BookioError = error
            except (HTTPError, OSError) as error:
                sent = not _surely_unsent(error)
                failure = _transport_error(op, error)
            if not _may_repeat(op, failure, sent=sent):
                raise _as_outcome(op, failure, sent=sent) from None
            if attempt == MAX_ATTEMPTS or self._watch.stopped.is_set():
                break
            if not self._wait(op, failure, _retry_after(reply), attempt):
                break
        raise failure from None

    def stop(self) -> None:
        """Send nothing more and end every wait; what is on its way may still land."""
        self._watch.stopped.set()

    def close(self) -> None:
        """Stop, and end what is on its way."""
        self._watch.close()
        self._adapter.close()

    def _exchange(self, op: Operation, request: Request) -> RawResponse:
        """Send a request once, and read its answer within the timeout and the bound."""
        if self._pace is not None:
            self._watch.stopped.wait(self._pace.turn())
        with self._free, self._watch.exchange():
            if self._watch.stopped.is_set():
                raise StoppedError
            response = self._pool.urlopen(
                request.method,
                request.url,
                body=request.body,
                headers=request.headers,
                timeout=self._timeout,
                retries=False,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
            )
            return RawResponse(response.status, response.headers, _content(op, response))

    def _wait(
        self, op: Operation, failure: BookioError, retry_after: float | None, attempt: int
    ) -> bool:
        """Sleep full jitter, or what the server asks for if that is bearable.

        Returns whether to try again.
        """
        delay = random.uniform(0, min(_BACKOFF_CAP, _BACKOFF_BASE * 2**attempt))  # noqa: S311
        if retry_after is not None:
            if retry_after > MAX_RETRY_AFTER.total_seconds():
                back = datetime.now(UTC) + timedelta(seconds=retry_after)
                msg = (
                    f"{op.name}: the server asks to wait {retry_after:.0f} seconds, longer than "
                    f"we do; come back at {back:%Y-%m-%d %H:%M:%S} UTC"
                )
                raise RateLimitError(msg, operation=op.name, status=failure.status) from None
            delay = retry_after
        logger.info(
            "%s: attempt %d failed (%s), next in %.1f s",
            op.name, attempt, type(failure).__name__, delay,
        )  # fmt: skip
        return not self._watch.stopped.wait(delay)


def _content(op: Operation, response: BaseHTTPResponse) -> bytearray:
    """Return the body, and give its connection back."""
    packed = "Content-Encoding" in response.headers
    content = bytearray()
    whole = False
    try:
        while chunk := response.read1(_CHUNK, decode_content=packed):
            content += chunk
            if len(content) > MAX_RESPONSE_BYTES:
                msg = f"{op.name}: the answer is larger than {MAX_RESPONSE_BYTES >> 20} MiB"
                raise ContractError(msg, operation=op.name, status=response.status)
            if response.length_remaining == 0 and not packed:
                break
        whole = True
    finally:
        if not whole:
            response.close()
        response.release_conn()
    return content


def _may_repeat(op: Operation, failure: BookioError, *, sent: bool) -> bool:
    if isinstance(failure, RateLimitError) or not sent:
        return True
    return op.retry_safe and isinstance(failure, TransportError)


def _as_outcome(op: Operation, failure: BookioError, *, sent: bool) -> BookioError:
    """Turn an unclear failure of a write into what it is: an unknown outcome."""
    unclear = isinstance(failure, TransportError | ContractError)
    if op.retry_safe or not sent or not unclear:
        return failure
    msg = f"{op.name}: the request left and no usable answer came, so it may have been applied"
    return OutcomeUnknownError(msg, operation=op.name, status=failure.status, code=failure.code)


def _surely_unsent(error: Exception) -> bool:
    """Whether the connection was never made or used, so that no byte of the request left."""
    unsent = NewConnectionError | ConnectTimeoutError | StoppedError | ClosedPoolError
    return isinstance(error, unsent)


def _transport_error(op: Operation, error: Exception) -> TransportError:
    if isinstance(error, SSLError):
        what = "the server's TLS certificate or handshake was not accepted; check api_url"
    elif isinstance(error, StoppedError | ClosedPoolError):
        what = "not sent, for the client has been stopped"
    elif _surely_unsent(error):
        what = "the server cannot be reached; check api_url and the network"
    elif isinstance(error, TransportTimeout | ReadTimeoutError):
        what = "no answer in time; raise request_timeout, or try again later"
    else:
        what = "the connection broke; try again later"
    return TransportError(f"{op.name}: {what}", operation=op.name)


def _retry_after(reply: RawResponse | None) -> float | None:
    """Seconds that the server asks to wait, or ``None``."""
    header = reply.headers.get("Retry-After") if reply is not None else None
    if not header:
        return None
    try:
        return Retry(retry_after_max=_LONGEST_WAIT).parse_retry_after(header)
    except (InvalidHeader, ValueError, OverflowError):
        return _LONGEST_WAIT if header.strip().isdecimal() else None
