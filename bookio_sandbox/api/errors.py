"""Bookio's refusals: one exception, which the app turns into a response."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bookio_api.errors import Code

if TYPE_CHECKING:
    from collections.abc import Mapping

HTTP_STATUS: Mapping[int, int] = {
    Code.VALIDATION: 422,
    Code.NOT_FOUND: 404,
    Code.BAD_TOKEN: 401,
    Code.NO_CAPACITY: 409,
    Code.DUPLICATE: 409,
    Code.FORBIDDEN: 403,
    Code.INTERNAL: 500,
}
"""HTTP status that fits a code, for ``--error-style status``."""


class Refusal(Exception):  # noqa: N818
    """Bookio refuses a request, with an error code and ``errors``."""

    def __init__(self, code: int, *errors: str) -> None:
        """Refuse with this code and these messages."""
        super().__init__(*errors)
        self.code = code
        self.errors = errors
