"""A page of a list, and the verdict of a scan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

MOST_SHOWN = 10**9
Row = dict[str, Any]
"""A decoded JSON object with an integer ``id``. Two rows that compare equal are unchanged."""


class Page(NamedTuple):
    """One response of a list operation."""

    rows: list[Row]
    total: int | None = None
    """``data.pagination.total`` where the server gives one; it is checked, never believed."""
    server_time_ms: int | None = None
    """The response's ``Date`` in epoch milliseconds."""


Fetch = Callable[[int, int, Mapping[str, str]], Page]
"""``fetch(offset, limit, window)``; the window holds the stream's date filters, or nothing."""


class Verdict(NamedTuple):
    """Whether every row that stood still was seen, and if not, one clause that says why."""

    complete: bool
    reason: str = ""


class UnreliableError(Exception):
    """The list cannot be paged through safely; the message is the verdict's reason."""

    def __init__(self, reason: str, *, windows_help: bool = False) -> None:
        """Say why, and whether date windows could still read the list."""
        super().__init__(reason)
        self.windows_help = windows_help


def shown(total: int) -> str:
    """Return a total for a message; a number that counts no rows may be anyone's phone."""
    return str(total) if 0 <= total < MOST_SHOWN else "beyond belief"
