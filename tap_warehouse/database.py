"""What a query is run on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from bookio_api.errors import BookioError, ErrorKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_warehouse.columns import Column

BLOCK_ROWS = 1000
"""How many rows are fetched at once, and so are in memory."""


class WarehouseError(BookioError):
    """The warehouse cannot be opened or read, or a query is wrong."""

    kind = ErrorKind.WAREHOUSE


class Database(Protocol):
    """A warehouse. Both methods raise ``WarehouseError``, in whose text is no row or password."""

    def columns(self, query: str) -> list[Column]:
        """Return the columns of a query, which is not carried out."""

    def rows(self, select: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a SELECT, a block at a time."""
