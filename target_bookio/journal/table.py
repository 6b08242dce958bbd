"""A table whose changes are collected and written in one statement.

During a statement, Python's sqlite3 releases the interpreter to the threads that send, and then
waits to get it back: a statement per row would cost more than the row itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_bookio.journal.database import Database


class Table:
    """One table, keyed by its first two columns. Used by one thread."""

    def __init__(
        self,
        db: Database,
        name: str,
        columns: str,
        as_row: Callable[[Any], tuple[Any, ...]],
    ) -> None:
        """Take a table of an open file, and its columns in the order and form of its SQL.

        ``as_row`` returns the columns of a stored value. It is called once for all changes of a row
        between two commits.
        """
        self._db = db
        self._as_row = as_row
        self._name = name
        self._columns = columns
        names = columns.split(", ")
        values = ", ".join(f"value ->> {place}" for place in range(len(names)))
        key = ", ".join(names[:2])
        # All rows are passed as one JSON array, because the number of parameters is limited.
        self._insert = f"INSERT OR REPLACE INTO {name} SELECT {values} FROM json_each(?)"  # noqa: S608
        self._delete = (
            f"DELETE FROM {name} WHERE ({key}) IN "  # noqa: S608 - only constants
            "(SELECT value ->> 0, value ->> 1 FROM json_each(?))"
        )
        self._changed: dict[tuple[Any, Any], Any] = {}
        """Pending changes, by key; ``None`` is a deletion."""

    def put(self, first: Any, second: Any, row: Any) -> None:  # noqa: ANN401 - values of columns
        """Store a row by its key; the next commit makes it durable."""
        self._changed[first, second] = row

    def delete(self, first: Any, second: Any) -> None:  # noqa: ANN401 - values of columns
        """Delete a row."""
        self._changed[first, second] = None

    def flush(self) -> None:
        """Write pending changes; they are durable when the transaction is."""
        changed, self._changed = self._changed, {}
        gone = [key for key, row in changed.items() if row is None]
        rows = [self._as_row(row) for row in changed.values() if row is not None]
        if gone:
            self._db.execute(self._delete, (msgspec.json.encode(gone).decode(),))
        if rows:
            self._db.execute(self._insert, (msgspec.json.encode(rows).decode(),))

    def select(self, condition: str, *values: object) -> list[tuple[Any, ...]]:
        """Return rows, including those that are not written yet."""
        if self._changed:
            self.flush()
        query = f"SELECT {self._columns} FROM {self._name} WHERE {condition}"  # noqa: S608
        return self._db.execute(query, values)

    def select_in(self, stream: str, column: str, wanted: Iterable[Any]) -> list[tuple[Any, ...]]:
        """Return the rows of a stream in which a column has one of these values."""
        listed = msgspec.json.encode(list(wanted)).decode()
        if listed == "[]":
            return []
        condition = f"stream = ? AND {column} IN (SELECT value FROM json_each(?))"  # noqa: S608
        return self.select(condition, stream, listed)
