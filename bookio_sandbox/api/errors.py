"""What Bookio refuses, as one exception; the app turns it into an answer."""

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
    """Bookio says no: a code of its table and its ``errors``."""

    def __init__(self, code: int, *errors: str) -> None:
        """Keep both for the answer."""
        super().__init__(*errors)
        self.code = code
        self.errors = errors
