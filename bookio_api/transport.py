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
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InvalidHeader,
    MaxRetryError,
    NewConnectionError,
    ReadTimeoutError,
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
    from collections.abc import Callable, Mapping

    from requests.adapters import HTTPAdapter

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


class Transport:
    """One connection pool to one host."""

    def __init__(self, adapter: HTTPAdapter, url: str, timeout: float) -> None:
        """Read proxies and certificates from the environment once; TLS is always verified."""
        self._adapter = adapter
        self._timeout = timeout
        self._closing = threading.Event()
        settings = requests.Session().merge_environment_settings(url, {}, True, True, None)  # noqa: FBT003
        self._environment: Mapping[str, Any] = dict(settings)

    def send(
        self,
        op: Operation,
        request: requests.PreparedRequest,
        read: Callable[[Operation, requests.Response, bytes], T],
    ) -> T:
        """Return ``read(op, response, content)``, trying again as the module's table says."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            response: requests.Response | None = None
            try:
                response = self._exchange(op, request)
                return read(op, response, self._content(op, response))
            except BookioError as error:
                failure: BookioError = error
                sent = True
            except (requests.RequestException, HTTPError, OSError) as error:
                sent = not _surely_unsent(error)
                failure = _transport_error(op, error)
            if not _may_repeat(op, failure, sent=sent):
                raise _as_outcome(op, failure, sent=sent) from None
            if attempt == MAX_ATTEMPTS:
                break
            self._wait(op, failure, _retry_after(response), attempt)
        raise failure from None

    def close(self) -> None:
        """Close the pool and end every wait."""
        self._closing.set()
        self._adapter.close()

    def _exchange(self, op: Operation, request: requests.PreparedRequest) -> requests.Response:
        if self._closing.is_set():
            msg = f"{op.name}: the client is closed"
            raise ContractError(msg, operation=op.name)
        return self._adapter.send(request, timeout=self._timeout, **self._environment)

    def _content(self, op: Operation, response: requests.Response) -> bytes:
        """Read the body within the timeout and the bound, however slowly it drips."""
        deadline = time.monotonic() + self._timeout
        content = bytearray()
        whole = False
        try:
            while chunk := response.raw.read1(_CHUNK, decode_content=True):
                content += chunk
                if len(content) > MAX_RESPONSE_BYTES:
                    msg = f"{op.name}: the answer is larger than {MAX_RESPONSE_BYTES >> 20} MiB"
                    raise ContractError(msg, operation=op.name, status=response.status_code)
                if time.monotonic() > deadline:
                    raise requests.ReadTimeout
            whole = True
        finally:
            response.raw.release_conn() if whole else response.raw.close()
        return bytes(content)

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
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)


def _transport_error(op: Operation, error: Exception) -> TransportError:
    if isinstance(error, requests.exceptions.SSLError):
        what = "the server's TLS certificate or handshake was not accepted; check api_url"
    elif _surely_unsent(error):
        what = "the server cannot be reached; check api_url and the network"
    elif isinstance(error, requests.Timeout | ReadTimeoutError):
        what = "no answer in time; raise request_timeout, or try again later"
    else:
        what = "the connection broke; try again later"
    return TransportError(f"{op.name}: {what}", operation=op.name)


def _retry_after(response: requests.Response | None) -> float | None:
    """Seconds that the server asks to wait, or ``None``."""
    header = response.headers.get("Retry-After") if response is not None else None
    if not header:
        return None
    try:
        return Retry(retry_after_max=10**9).parse_retry_after(header)
    except InvalidHeader:
        return None
