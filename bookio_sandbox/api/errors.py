"""Bookio's refusals: one exception, which the app turns into a response."""

from __future__ import annotations

VALIDATION = 10
NOT_FOUND = 12
BAD_TOKEN = 20
NO_CAPACITY = 30
DUPLICATE = 40
FORBIDDEN = 403
UNKNOWN_PATH = 404
INTERNAL = 666

HTTP_STATUS = {
    VALIDATION: 422,
    NOT_FOUND: 404,
    BAD_TOKEN: 401,
    NO_CAPACITY: 409,
    DUPLICATE: 409,
    FORBIDDEN: 403,
    INTERNAL: 500,
}
"""HTTP status that fits a code, for ``--error-style status``."""


class Refusal(Exception):  # noqa: N818
    """Bookio refuses a request, with an error code and ``errors``."""

    def __init__(self, code: int, *errors: str) -> None:
        """Refuse with this code and these messages."""
        super().__init__(*errors)
        self.code = code
        self.errors = errors
