"""A page of a list, the verdict of a scan, and the error that ends one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

MAX_SHOWN_TOTAL = 10**9
Row = dict[str, Any]
"""A decoded JSON object with an integer ``id``. Two rows that compare equal are unchanged."""


class Page(NamedTuple):
    """One response of a list operation."""

    rows: list[Row]
    total: int | None = None
    """``data.pagination.total`` if the server sends one; it is checked, never trusted."""
    server_time_ms: int | None = None
    """The response's ``Date`` header in epoch milliseconds."""
    reread: Callable[[], list[Row]] | None = None
    """Decodes the rows again from the response, which takes far less memory than they do."""


Fetch = Callable[[int, int, Mapping[str, str]], Page]
"""``fetch(offset, limit, window)``; the window holds date filters, or nothing."""


def rows_by_id(rows: list[Row]) -> dict[int, Row]:
    """Return rows by id, in list order."""
    return {row["id"]: row for row in rows}


class Verdict(NamedTuple):
    """Whether every resident row was seen; if not, ``reason`` says why."""

    complete: bool
    reason: str = ""


class UnreliableError(Exception):
    """The list cannot be paged through safely; the message is the verdict's reason."""

    def __init__(self, reason: str, *, dates_help: bool = False) -> None:
        """Say why, and whether reading by date windows can still be COMPLETE."""
        super().__init__(reason)
        self.dates_help = dates_help


def total_text(total: int) -> str:
    """Return a total for a message, unless it is large enough to be a phone number."""
    return f"a total of {total}" if 0 <= total < MAX_SHOWN_TOTAL else "an implausible total"
