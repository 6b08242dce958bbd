"""Sends requests, with limits on time and size, and retries what may be retried.

| signal | read | write |
|---|---|---|
| certainly nothing was sent | sent again | sent again |
| HTTP 429 | sent again, for minutes | sent again, for minutes |
| timeout, reset, empty or torn body | sent again | ``OutcomeUnknownError`` |
| HTTP 5xx, 408, 421, 425, 499; code 666 | sent again | ``OutcomeUnknownError`` |
| a redirect, a page, a body too large | raised | ``OutcomeUnknownError`` |
| the server's certificate is not trusted | raised | raised |
| any other error code or HTTP 4xx | raised | raised |

429 closes the gate for all threads (``rate_limit``); everything else waits a random time (full
jitter) for itself. A ``Retry-After`` wins over both and holds all threads; above five minutes the
error says when to come back.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout

from bookio_api.errors import BookioError, ContractError, RateLimitError
from bookio_api.http.deadlines import Deadlines, StoppedError, with_deadlines
from bookio_api.http.proxies import pool_for
from bookio_api.http.rate_limit import RequestGate, parse_retry_after
from bookio_api.http.retries import (
    as_outcome,
    is_certainly_unsent,
    may_repeat,
    transport_error,
)
from bookio_api.responses import RawResponse, parse_http_date

if TYPE_CHECKING:
    from collections.abc import Callable

    from urllib3 import BaseHTTPResponse

    from bookio_api.contract import Operation
    from bookio_api.http.retries import RetryPolicy

T = TypeVar("T")

MAX_BODY_BYTES = 64 * 1024 * 1024
"""Limit for a decompressed body; a page of 100 rows has about 70 KiB."""
CHUNK_BYTES = 256 * 1024
NO_RETRIES = Retry(total=False, redirect=False)
"""What urllib3 makes of ``retries=False``, for every request again."""
MISDIRECTED = 421
"""The server refused this request on this connection, so the retry uses another one."""

logger = logging.getLogger(__name__)


class Request(NamedTuple):
    """What to send."""

    method: str
    url: str
    """Path and query."""
    headers: Mapping[str, str]
    body: bytes | None = None


class _Tries(NamedTuple):
    """The history of one request, within one call of ``send``."""

    failed: int = 0
    """Attempts that did not end with 429."""
    first_refused: float | None = None
    """Time of the first 429, in ``time.monotonic()``."""


class Transport:
    """One connection pool to one host. Safe to use from several threads.

    Each request goes straight to urllib3, which keeps it fast. The mutable state belongs to
    the pool, the deadlines and the gate, each with its own lock.
    """

    def __init__(
        self,
        api_url: str,
        *,
        connections: int,
        timeout_s: float,
        per_second: float,
        policy: RetryPolicy,
        admit: Callable[[], object] | None = None,
    ) -> None:
        """Open no connection yet; with ``per_second`` 0 there is no pace.

        ``admit`` is called before each exchange, a retry too; ``StoppedError`` from it ends them.
        """
        self._adapter = HTTPAdapter(pool_maxsize=connections)
        self._pool: Any = pool_for(self._adapter, api_url)
        self._deadlines = Deadlines(timeout_s)
        self._pool.ConnectionCls = with_deadlines(self._pool.ConnectionCls, self._deadlines)
        self._free = BoundedSemaphore(connections)
        self._timeout = Timeout(timeout_s)
        self._policy = policy
        self._admit = admit
        self._stopped = self._deadlines.stopped
        self._gate = RequestGate(per_second, policy, self._stopped)

    def send(
        self, op: Operation, request: Request, parse: Callable[[Operation, RawResponse], T]
    ) -> T:
        """Return ``parse(op, raw)`` of the response, trying again as the module's table says."""
        tries = _Tries()
        failure: BookioError | None = None
        while True:
            raw: RawResponse | None = None
            sent, ticket = True, 0
            try:
                with self._free:
                    ticket = self._gate.wait()
                    raw = self._exchange(op, request)
                response = parse(op, raw)
            except StoppedError as error:
                # The earlier failure says more than that we stopped.
                raise failure or transport_error(op, error) from None
            except BookioError as error:
                failure = error
            except (HTTPError, OSError) as error:
                sent = not is_certainly_unsent(error)
                failure = transport_error(op, error)
            else:
                self._gate.succeeded(ticket, op.name)
                return response
            if not may_repeat(op, failure, sent=sent):
                raise as_outcome(op, failure, sent=sent) from None
            tries = self._before_retry(op, failure, raw, ticket, tries)

    @property
    def connections_opened(self) -> int:
        """How many connections were opened so far; each may carry many requests."""
        return self._deadlines.opened

    def stop(self) -> None:
        """Send nothing more and end every wait; requests in flight may still arrive."""
        self._stopped.set()

    def close(self) -> None:
        """Stop, and abort the requests in flight."""
        self._deadlines.close()
        self._adapter.close()

    def _exchange(self, op: Operation, request: Request) -> RawResponse:
        """Send a request once, and read the response within the limits of time and size."""
        with self._deadlines.exchange():
            if self._stopped.is_set():
                raise StoppedError
            if self._admit is not None:
                self._admit()
            response = self._pool.urlopen(
                request.method,
                request.url,
                body=request.body,
                headers=request.headers,
                timeout=self._timeout,
                retries=NO_RETRIES,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
            )
            return RawResponse(response.status, response.headers, _body(op, response))

    def _before_retry(
        self,
        op: Operation,
        failure: BookioError,
        raw: RawResponse | None,
        ticket: int,
        tries: _Tries,
    ) -> _Tries:
        """Wait, or close the gate, before the next try; raise the failure if there is none.

        A stop ends the wait, and ``send`` notices it. Returns the history with this try.
        """
        retry_after_s = self._retry_after_s(op, failure, raw)
        if isinstance(failure, RateLimitError):
            first_refused = tries.first_refused or time.monotonic()
            if self._gate.is_hopeless(op.name, first_refused):
                raise failure from None
            self._gate.refused(ticket, retry_after_s)
            return tries._replace(first_refused=first_refused)
        failed = tries.failed + 1
        if failed == self._policy.max_attempts:
            raise failure from None
        wait_s = random.uniform(0, self._policy.max_backoff_after(failed))  # noqa: S311
        logger.info(
            "%s: attempt %d failed (%s), the next one follows in %.1f s",
            op.name,
            failed,
            type(failure).__name__,
            retry_after_s or wait_s,
        )
        if retry_after_s is None:
            self._stopped.wait(wait_s)
        else:
            self._gate.hold(retry_after_s)
        return tries._replace(failed=failed)

    def _retry_after_s(
        self, op: Operation, failure: BookioError, raw: RawResponse | None
    ) -> float | None:
        """Return the seconds that the server asks to wait; ``RateLimitError`` if too many."""
        if raw is None:
            return None
        server_time_ms = parse_http_date(raw.headers.get("Date"))
        seconds = parse_retry_after(raw.headers.get("Retry-After"), server_time_ms)
        if seconds is None or seconds <= self._policy.max_wait_s:
            return seconds
        back = datetime.now(UTC) + timedelta(seconds=seconds)
        msg = (
            f"{op.name}: the server asks to wait {seconds:.0f} seconds, which is too long "
            f"for a run; come back at {back:%Y-%m-%d %H:%M:%S} UTC"
        )
        raise RateLimitError(msg, operation=op.name, status=failure.status) from None


def _body(op: Operation, response: BaseHTTPResponse) -> bytearray:
    """Return the whole body, and return the connection to the pool."""
    is_packed = "Content-Encoding" in response.headers
    body = bytearray()
    is_reusable = False
    try:
        while chunk := response.read1(CHUNK_BYTES, decode_content=is_packed):
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                msg = f"{op.name}: the response is larger than {MAX_BODY_BYTES >> 20} MiB"
                raise ContractError(msg, operation=op.name, status=response.status)
            if response.length_remaining == 0 and not is_packed:
                break
        is_reusable = response.status != MISDIRECTED
    finally:
        if not is_reusable:
            response.close()
        response.release_conn()
    return body
