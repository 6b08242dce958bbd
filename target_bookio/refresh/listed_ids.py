"""The ids that a full scan has listed; in a table, because there may be a million."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_bookio.journal.database import Database


class ListedIds:
    """The ids of one scan. A second object of the same database replaces the first."""

    def __init__(self, database: Database) -> None:
        """Start empty."""
        self._db = database
        self._db.execute("CREATE TEMP TABLE IF NOT EXISTS listed (id INTEGER PRIMARY KEY)")
        self._db.execute("DELETE FROM listed")

    def add(self, ids: Iterable[int]) -> None:
        """Add the ids of a page."""
        rows = [(row_id,) for row_id in ids]
        self._db.executemany("INSERT OR IGNORE INTO listed VALUES (?)", rows)

    def __contains__(self, row_id: int) -> bool:
        """Whether the scan has listed a row."""
        return bool(self._db.execute("SELECT 1 FROM listed WHERE id = ?", (row_id,)))
