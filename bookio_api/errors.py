"""What can go wrong with Bookio, as typed exceptions that say what to do next.

``Code`` and ``ERROR_CODES`` are the vendor's table (all C); its codes are listed nowhere else.
No message contains text from the server, because an error text may quote a patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ERRORS_PAGE = "docs/errors.md"


class ErrorKind(StrEnum):
    """What a user should check; the value is the anchor of a section of ``ERRORS_PAGE``."""

    SETTINGS = "settings"
    ACCESS = "access"
    PATH = "path"
    RESPONSE = "response"
    CONNECTION = "connection"
    CERTIFICATE = "certificate"
    RATE_LIMIT = "rate-limit"
    INCOMPLETE = "incomplete"
    REFUSED = "refused"
    REJECTS = "rejects"
    IN_DOUBT = "in-doubt"
    FILES = "files"
    WAREHOUSE = "warehouse"
    STREAM_MAPS = "stream-maps"
    MELTANO = "meltano"
    STOPPED = "stopped"
    UNEXPECTED = "unexpected"

    def with_page(self, line: str) -> str:
        """Return a line with a reference to the section that explains it."""
        return f"{line} ({ERRORS_PAGE}#{self})"


class BookioError(Exception):
    """Something went wrong; ``str()`` is one line: what happened, where, what to do next.

    ``operation`` is a name of ``contract.OPERATIONS``, ``code`` Bookio's number, ``status`` the
    HTTP status, and ``fields`` the request fields that the response's errors mention.
    """

    kind: ClassVar[ErrorKind] = ErrorKind.UNEXPECTED

    def __init__(
        self,
        message: str,
        *,
        operation: str | None = None,
        status: int | None = None,
        code: int | None = None,
        fields: Sequence[str] = (),
    ) -> None:
        """Keep the facts beside the message, for callers that depend on them."""
        super().__init__(message)
        self.operation = operation
        self.status = status
        self.code = code
        self.fields = tuple(fields)
        self.server_time_ms: int | None = None
        """The ``Date`` of a refusal in epoch ms. Set only by `parse_response`."""


class SettingsError(BookioError):
    """A setting cannot work; nothing was sent."""

    kind = ErrorKind.SETTINGS


class AuthError(BookioError):
    """The token is wrong or lacks a permission (code 20, HTTP 401)."""

    kind = ErrorKind.ACCESS


class PermissionDeniedError(BookioError):
    """The token may not use this endpoint (code 403, HTTP 403)."""

    kind = ErrorKind.ACCESS


class UnknownPathError(BookioError):
    """The server has no such path or method (code 404, HTTP 404 and 405)."""

    kind = ErrorKind.PATH


class ContractError(BookioError):
    """The response does not match the API: a web page, no envelope, no list, too large."""

    kind = ErrorKind.RESPONSE


class TransportError(BookioError):
    """A read got no usable response despite retries, or the request was certainly not sent."""

    kind = ErrorKind.CONNECTION


class UntrustedServerError(TransportError):
    """The server's TLS certificate is not trusted; nothing was sent, and no retry helps."""

    kind = ErrorKind.CERTIFICATE


class BrokenResponseError(TransportError):
    """The response is empty, cut off or not JSON, as if damaged in transit."""


class RateLimitError(TransportError):
    """Too many requests (HTTP 429) for minutes, or the server asks for an even longer wait."""

    kind = ErrorKind.RATE_LIMIT


class ServerError(TransportError):
    """Bookio or a proxy in front of it failed (code 666; HTTP 5xx, 408, 421, 425, 499)."""


class OutcomeUnknownError(BookioError):
    """A write was sent and no usable response came: it may or may not have been applied."""

    kind = ErrorKind.IN_DOUBT


class RefusedError(BookioError):
    """Bookio understood the request and refused it; sending it again does not help."""

    kind = ErrorKind.REFUSED


class ValidationError(RefusedError):
    """Bookio does not accept the value of a field (code 10, HTTP 400 and 422)."""


class PaymentError(RefusedError):
    """The reservation cannot be marked as paid (code 11)."""


class NotFoundError(RefusedError):
    """The row in the request does not exist (code 12)."""


class NoCapacityError(RefusedError):
    """The term is full (code 30)."""


class DuplicateError(RefusedError):
    """Bookio already has such a reservation (code 40, HTTP 409). What triggers it is U."""


class Code(IntEnum):
    """Bookio's nine error codes (C)."""

    VALIDATION = 10
    PAYMENT = 11
    NOT_FOUND = 12
    BAD_TOKEN = 20
    NO_CAPACITY = 30
    DUPLICATE = 40
    FORBIDDEN = 403
    UNKNOWN_PATH = 404
    INTERNAL = 666


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One row of the vendor's table: the meaning of a code, and what a user can do."""

    code: Code
    meaning: str
    error: type[BookioError]
    advice: str


ERROR_CODES: Mapping[int, ErrorCode] = {
    entry.code: entry
    for entry in (
        ErrorCode(
            Code.VALIDATION,
            "validation failed",
            ValidationError,
            "correct the named fields of the record and send it again",
        ),
        ErrorCode(
            Code.PAYMENT,
            "payment error, the reservation cannot be marked as paid",
            PaymentError,
            "settle the payment in Bookio",
        ),
        ErrorCode(
            Code.NOT_FOUND,
            "resource not found",
            NotFoundError,
            "check the id; the row may have been removed in Bookio",
        ),
        ErrorCode(
            Code.BAD_TOKEN,
            "invalid token or missing access rights",
            AuthError,
            "check auth_token, and ask Bookio which permissions your channel has",
        ),
        ErrorCode(
            Code.NO_CAPACITY, "no capacity left", NoCapacityError, "choose another term or service"
        ),
        ErrorCode(
            Code.DUPLICATE,
            "duplicate reservation",
            DuplicateError,
            "look for the reservation in Bookio before you send it again",
        ),
        ErrorCode(
            Code.FORBIDDEN,
            "no permission for this endpoint",
            PermissionDeniedError,
            "ask Bookio to allow your channel to use this endpoint",
        ),
        ErrorCode(
            Code.UNKNOWN_PATH,
            "not found",
            UnknownPathError,
            "most paths are not confirmed by the vendor: correct this one in endpoint_overrides, "
            "or check api_url",
        ),
        ErrorCode(
            Code.INTERNAL,
            "internal error of Bookio",
            ServerError,
            "try again later; according to its documentation, Bookio is notified",
        ),
    )
}
"""The vendor's table, by number."""
