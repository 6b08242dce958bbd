"""Which writes the token is known to allow: those that succeeded in earlier runs.

Bookio does not list a token's permissions, and a write cannot be tried without writing. So the
journal records each operation that succeeds, and ``--test`` reports them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from bookio_api.contract import OPERATIONS, Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_bookio.journal.database import Database

_PREFIX = "allowed:"
"""Prefix of their names in the table ``about``."""
_EVIDENCE = {
    Evidence.CONFIRMED: "its path is confirmed by the vendor",
    Evidence.SISTER_API: "its path is known from a sister API only",
    Evidence.GUESS: "its path is a guess",
    Evidence.UNKNOWN: "its path is unknown",
}


class _Success(msgspec.Struct, array_like=True):
    day: str
    token: str
    """A keyed hash of the token that was used."""


class Permission(NamedTuple):
    """What is known about one write operation."""

    operation: str
    day: str | None
    """The day of the last success, ``YYYY-MM-DD`` in UTC; ``None`` if there was none."""
    with_this_token: bool

    def __str__(self) -> str:
        """Return a line for people."""
        if self.day is None:
            path = _EVIDENCE[OPERATIONS[self.operation].evidence]
            return f"{self.operation}: not known, never written from here; {path}"
        if self.with_this_token:
            return f"{self.operation}: allowed, last written from here on {self.day}"
        return f"{self.operation}: not known; an earlier token was allowed on {self.day}"


class Permissions:
    """The operations that succeeded with one account's tokens."""

    def __init__(self, database: Database, auth_token: str) -> None:
        """Take the open journal."""
        self._database = database
        self._token = database.digest(["token", auth_token])

    def record(self, operations: Iterable[str]) -> None:
        """Record that these operations succeeded; the next commit makes it durable."""
        success = _Success(time.strftime("%Y-%m-%d", time.gmtime()), self._token)
        value = msgspec.json.encode(success)
        self._database.executemany(
            "INSERT OR REPLACE INTO about VALUES (?, ?)",
            [(_PREFIX + operation, value) for operation in sorted(set(operations))],
        )

    def has_succeeded(self, operation: str) -> bool:
        """Whether an operation has succeeded before, with any token: then its path is right."""
        query = "SELECT 1 FROM about WHERE name = ?"
        return bool(self._database.execute(query, (_PREFIX + operation,)))

    def known(self) -> Iterator[Permission]:
        """Yield what is known about each write operation, in the order of the contract."""
        rows = self._database.execute("SELECT name, value FROM about")
        found = {
            name.removeprefix(_PREFIX): msgspec.json.decode(value, type=_Success)
            for name, value in rows
            if name.startswith(_PREFIX)
        }
        for name, operation in OPERATIONS.items():
            if not operation.retry_safe:
                success = found.get(name)
                day = success.day if success else None
                yield Permission(name, day, success is not None and success.token == self._token)
