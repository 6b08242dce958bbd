"""What can go wrong with Bookio, as typed exceptions that say what to do next.

``ERROR_CODES`` is the vendor's table (all C) and the only place where its codes are listed.
No message holds a word that the server wrote: an error text may quote a patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class BookioError(Exception):
    """Something went wrong; ``str()`` is one line: what, where, what to do next.

    ``operation`` is a name of ``contract.OPERATIONS``, ``code`` Bookio's number, ``status`` the
    HTTP status and ``fields`` the names of request fields that the answer's errors mention.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str | None = None,
        status: int | None = None,
        code: int | None = None,
        fields: Sequence[str] = (),
    ) -> None:
        """Keep the facts beside the message, for callers that decide by them."""
        super().__init__(message)
        self.operation = operation
        self.status = status
        self.code = code
        self.fields = tuple(fields)


class SettingsError(BookioError):
    """A setting that cannot work; nothing was sent."""


class AuthError(BookioError):
    """The token is wrong or lacks a right (code 20, HTTP 401)."""


class PermissionDeniedError(BookioError):
    """The token may not use this endpoint (code 403, HTTP 403)."""


class UnknownPathError(BookioError):
    """The server has no such path or method (code 404, HTTP 404 and 405)."""


class ContractError(BookioError):
    """The answer is not what the API promises: no JSON, no envelope, no list, too large."""


class TransportError(BookioError):
    """No usable answer to a read after every retry, or the request surely never left."""


class BrokenAnswerError(TransportError):
    """The answer is empty, cut off or no JSON, as if it had been torn on its way."""


class RateLimitError(TransportError):
    """Too many requests (HTTP 429), still after every retry, or a longer wait than we bear."""


class ServerError(TransportError):
    """Bookio failed on its own side (code 666, HTTP 5xx)."""


class OutcomeUnknownError(BookioError):
    """A write left and its answer never came, so it may or may not have been applied."""


class RefusedError(BookioError):
    """Bookio understood the request and refused it; sending it again changes nothing."""


class ValidationError(RefusedError):
    """A field is not as Bookio wants it (code 10, HTTP 400 and 422)."""


class PaymentError(RefusedError):
    """The reservation cannot be marked as paid (code 11)."""


class NotFoundError(RefusedError):
    """The row that the request names is not there (code 12)."""


class NoCapacityError(RefusedError):
    """The term is full (code 30)."""


class DuplicateError(RefusedError):
    """Bookio holds such a reservation already (code 40, HTTP 409). What triggers it is U."""


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One line of the vendor's table: its meaning and what a user does about it."""

    code: int
    meaning: str
    error: type[BookioError]
    advice: str


ERROR_CODES = {
    entry.code: entry
    for entry in (
        ErrorCode(
            10, "validation failed", ValidationError,
            "correct the named fields of the record and send it again",
        ),
        ErrorCode(
            11, "payment error, the reservation cannot be marked as paid", PaymentError,
            "settle the payment in Bookio",
        ),
        ErrorCode(
            12, "resource not found", NotFoundError,
            "check the id; the row may have been removed in Bookio",
        ),
        ErrorCode(
            20, "invalid token or missing access rights", AuthError,
            "check auth_token, and ask Bookio which rights its channel has",
        ),
        ErrorCode(
            30, "no capacity left", NoCapacityError,
            "choose another term or service",
        ),
        ErrorCode(
            40, "duplicate reservation", DuplicateError,
            "look for the reservation in Bookio before you send it again",
        ),
        ErrorCode(
            403, "no permission for this endpoint", PermissionDeniedError,
            "ask Bookio to open this endpoint to the channel of auth_token",
        ),
        ErrorCode(
            404, "not found", UnknownPathError,
            "the path may be a wrong guess of ours: correct it in endpoint_overrides, "
            "or check api_url",
        ),
        ErrorCode(
            666, "internal error of Bookio", ServerError,
            "try again later; Bookio says that it is informed",
        ),
    )
}  # fmt: skip
"""Bookio's nine error codes (C), by number."""
