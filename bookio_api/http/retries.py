"""Retry policy, and what a failed exchange means for its request."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from urllib3.exceptions import (
    ClosedPoolError,
    ConnectTimeoutError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as TransportTimeout

from bookio_api.errors import (
    BookioError,
    ContractError,
    OutcomeUnknownError,
    RateLimitError,
    TransportError,
    UntrustedServerError,
)
from bookio_api.http.deadlines import StoppedError

if TYPE_CHECKING:
    from bookio_api.contract import Operation

_CLOCK_ADVICE = (
    "check this machine's clock; if it is right, report it to the operator of the server"
)
_NAME_ADVICE = "check api_url"
_AUTHORITY_ADVICE = (
    "if your network or server has a private certificate authority, "
    "set REQUESTS_CA_BUNDLE to the PEM file of its certificates"
)
_CERTIFICATE_ADVICE = {9: _CLOCK_ADVICE, 10: _CLOCK_ADVICE, 62: _NAME_ADVICE, 64: _NAME_ADVICE}
"""By OpenSSL's number: not yet valid, expired, another host, another address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Durations in seconds, and the number of attempts."""

    max_attempts: int = 6
    """For everything except 429, which is limited by time."""
    min_backoff_s: float = 0.6
    """Upper bound of the first random wait; it doubles with each attempt."""
    max_backoff_s: float = 30
    min_pause_s: float = 0.25
    """Pause of all threads after the first 429 without a ``Retry-After``; it doubles, too."""
    max_pause_s: float = 30
    max_wait_s: float = 300
    """Longest time of 429 without a success, and longest ``Retry-After`` that is obeyed."""

    def max_backoff_after(self, attempts: int) -> float:
        """Return the upper bound of the random wait after so many attempts."""
        return float(min(self.max_backoff_s, self.min_backoff_s * 2 ** (attempts - 1)))


def transport_error(op: Operation, error: Exception) -> TransportError:
    """Return a urllib3 exception as ours; its own text may quote an address with a query."""
    rejected = _rejected_certificate(error)
    if rejected is not None:
        advice = _CERTIFICATE_ADVICE.get(rejected.verify_code, _AUTHORITY_ADVICE)
        msg = (
            f"{op.name}: the server's TLS certificate is not trusted "
            f"({rejected.verify_message}); {advice}"
        )
        return UntrustedServerError(msg, operation=op.name)
    if isinstance(error, StoppedError | ClosedPoolError):
        what = "not sent, because the run is being stopped"
    elif isinstance(error, ProxyError):
        what = "the proxy cannot be reached or refuses; check HTTPS_PROXY"
    elif isinstance(error, SSLError):
        what = "the TLS handshake failed; check api_url"
    elif is_certainly_unsent(error):
        what = "the server cannot be reached; check api_url and the network"
    elif isinstance(error, TransportTimeout | ReadTimeoutError):
        what = "no response in time; raise request_timeout, or try again later"
    else:
        what = "the connection broke; try again later"
    return TransportError(f"{op.name}: {what}", operation=op.name)


def is_certainly_unsent(error: Exception) -> bool:
    """Whether no byte was sent, because there was no connection or the server is not trusted."""
    unsent = NewConnectionError | ConnectTimeoutError | StoppedError | ClosedPoolError | ProxyError
    return isinstance(error, unsent) or _rejected_certificate(error) is not None


def may_repeat(op: Operation, failure: BookioError, *, sent: bool) -> bool:
    """Whether a request may be sent again, by the table in ``transport``."""
    if isinstance(failure, UntrustedServerError):
        return False
    if isinstance(failure, RateLimitError) or not sent:
        return True
    return op.retry_safe and isinstance(failure, TransportError)


def as_outcome(op: Operation, failure: BookioError, *, sent: bool) -> BookioError:
    """Turn an unclear failure of a write into an ``OutcomeUnknownError``."""
    is_unclear = isinstance(failure, TransportError | ContractError)
    if op.retry_safe or not sent or not is_unclear:
        return failure
    msg = (
        f"{op.name}: the request was sent and no usable response came, "
        "so it may have been applied; look for the row in Bookio"
    )
    return OutcomeUnknownError(msg, operation=op.name, status=failure.status, code=failure.code)


def _rejected_certificate(error: Exception) -> ssl.SSLCertVerificationError | None:
    """Return why OpenSSL refused a certificate, if an exception wraps such an error."""
    inner = error.original_error if isinstance(error, ProxyError) else error
    found = inner.args[0] if isinstance(inner, SSLError) and inner.args else inner
    return found if isinstance(found, ssl.SSLCertVerificationError) else None
