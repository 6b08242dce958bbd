"""The interface of a warehouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from bookio_api.errors import BookioError, ErrorKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_warehouse.columns import Column

BLOCK_ROWS = 1000
"""Rows that are fetched at once and held in memory."""


class WarehouseError(BookioError):
    """The warehouse cannot be opened or read, or a query is wrong."""

    kind = ErrorKind.WAREHOUSE


class Database(Protocol):
    """A warehouse. Both methods raise ``WarehouseError``, without rows or passwords."""

    def columns(self, query: str) -> list[Column]:
        """Return the columns of a query, without running it."""

    def rows(self, select: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a SELECT, a block at a time."""
