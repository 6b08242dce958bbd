"""Sends requests: timeouts, bounds, redaction by silence, and patience.

| signal | read | write |
|---|---|---|
| surely nothing was sent; 429 | sent again | sent again |
| timeout, reset, 5xx, code 666, broken or empty body | sent again | ``OutcomeUnknownError`` |
| anything else | raised | raised |
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import requests
from pyrate_limiter import Limiter, Rate
from requests.adapters import HTTPAdapter
from urllib3.exceptions import (
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

logger = logging.getLogger(__name__)


class Request(NamedTuple):
    """What to send."""

    method: str
    url: str
    """Path and query."""
    headers: Mapping[str, str]
    body: bytes | None = None


class Reply(NamedTuple):
    """What came back, whole and unpacked."""

    status: int
    headers: Mapping[str, str]
    content: bytes | bytearray


class Transport:
    """One connection pool to one host.

    requests says how to reach it (proxies and certificates of the environment, TLS always
    verified); each request then goes straight to its urllib3 pool.
    """

    def __init__(
        self, api_url: str, *, connections: int, timeout: float, per_second: float | None
    ) -> None:
        """Open no connection yet."""
        adapter = HTTPAdapter(pool_maxsize=connections, pool_block=True)
        request = requests.Request("GET", api_url).prepare()
        settings = requests.Session().merge_environment_settings(api_url, {}, True, True, None)  # noqa: FBT003
        proxies = settings["proxies"] if api_url.startswith("https:") else {}
        self._adapter = adapter
        self._pool: Any = adapter.get_connection_with_tls_context(
            request, settings["verify"], proxies=proxies
        )
        interval_ms = max(1, round(1000 / per_second)) if per_second else 0
        self._limiter = Limiter(Rate(1, interval_ms), buffer_ms=0) if interval_ms else None
        self._timeout = timeout
        self._closing = threading.Event()

    def send(self, op: Operation, request: Request, read: Callable[[Operation, Reply], T]) -> T:
        """Return ``read(op, reply)``, trying again as the module's table says."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            reply: Reply | None = None
            try:
                reply = self._exchange(op, request)
                return read(op, reply)
            except BookioError as error:
                failure: BookioError = error
                sent = True
            except (HTTPError, OSError) as error:
                sent = not _surely_unsent(error)
                failure = _transport_error(op, error)
            if not _may_repeat(op, failure, sent=sent):
                raise _as_outcome(op, failure, sent=sent) from None
            if attempt == MAX_ATTEMPTS:
                break
            self._wait(op, failure, _retry_after(reply), attempt)
        raise failure from None

    def close(self) -> None:
        """Close the pool and end every wait."""
        self._closing.set()
        self._adapter.close()

    def _exchange(self, op: Operation, request: Request) -> Reply:
        if self._closing.is_set():
            msg = f"{op.name}: the client is closed"
            raise ContractError(msg, operation=op.name)
        if self._limiter is not None:
            self._limiter.try_acquire("bookio")
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
        return Reply(response.status, response.headers, self._content(op, response))

    def _content(self, op: Operation, response: BaseHTTPResponse) -> bytearray:
        """Read the body within the timeout and the bound, however slowly it drips."""
        deadline = time.monotonic() + self._timeout
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
                if time.monotonic() > deadline:
                    raise TransportTimeout
            whole = True
        finally:
            response.release_conn() if whole else response.close()
        return content

    def _wait(
        self, op: Operation, failure: BookioError, retry_after: float | None, attempt: int
    ) -> None:
        """Sleep full jitter, or what the server asks for if that is bearable."""
        delay = random.uniform(0, min(_BACKOFF_CAP, _BACKOFF_BASE * 2**attempt))  # noqa: S311
        if retry_after is not None:
            if retry_after > MAX_RETRY_AFTER.total_seconds():
                back = datetime.now(UTC) + timedelta(seconds=min(retry_after, 366 * 86400))
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
        self._closing.wait(delay)


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
    """Whether the connection was never made, so that no byte of the request left."""
    return isinstance(error, NewConnectionError | ConnectTimeoutError)


def _transport_error(op: Operation, error: Exception) -> TransportError:
    if isinstance(error, SSLError):
        what = "the server's TLS certificate or handshake was not accepted; check api_url"
    elif _surely_unsent(error):
        what = "the server cannot be reached; check api_url and the network"
    elif isinstance(error, TransportTimeout | ReadTimeoutError):
        what = "no answer in time; raise request_timeout, or try again later"
    else:
        what = "the connection broke; try again later"
    return TransportError(f"{op.name}: {what}", operation=op.name)


def _retry_after(reply: Reply | None) -> float | None:
    """Seconds that the server asks to wait, or ``None``."""
    header = reply.headers.get("Retry-After") if reply is not None else None
    if not header:
        return None
    try:
        return Retry(retry_after_max=10**9).parse_retry_after(header)
    except InvalidHeader:
        return None
