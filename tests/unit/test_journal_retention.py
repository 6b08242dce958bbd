"""Retention: what the journal forgets, and what it must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_bookio.journal.account import Account
from target_bookio.journal.database import Database
from target_bookio.journal.retention import DAY_MS, forget_unseen, is_stale, touch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW_MS = 1_800_000_000_000
OLD_MS = NOW_MS - 40 * DAY_MS


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "journal.sqlite3", Account("https://bookio.example.org", "t"))
    yield database
    database.close()


def note(database: Database, key: str, noted_at: int = OLD_MS, intent: str | None = None) -> None:
    """Note an entry whose row has the number at the end of its key."""
    database.execute(
        "INSERT INTO entries VALUES ('reservations', ?, 1, ?, NULL, '{}', '{}', '[]', 0, ?, ?)",
        (key, int(key.partition(":")[2]), intent, noted_at),
    )


def mirror(database: Database, row_id: int, *, shows_external_id: bool = True) -> None:
    database.execute(
        "INSERT INTO mirror VALUES ('reservations', ?, 1, NULL, '{}', NULL, NULL, 0, ?)",
        (row_id, int(shows_external_id)),
    )


def keys(database: Database) -> set[str]:
    return {key for (key,) in database.execute("SELECT key FROM entries")}


def test_an_entry_not_seen_for_the_retention_period_is_deleted(database: Database) -> None:
    """An old entry that the list shows goes; a young one and one in doubt stay."""
    note(database, "externalId:1")
    note(database, "externalId:2", NOW_MS - DAY_MS)
    note(database, "externalId:3", intent="{}")
    note(database, "id:4")
    for row_id in range(1, 5):
        mirror(database, row_id)
    forget_unseen(database, 30, NOW_MS)
    assert keys(database) == {"externalId:2", "externalId:3"}


def test_an_entry_whose_row_no_list_shows_is_never_deleted(database: Database) -> None:
    """The entry is the only protection if the row or its externalId is hidden or gone."""
    note(database, "externalId:1")  # hidden, because it is cancelled, or removed
    note(database, "externalId:2")
    note(database, "id:3")
    mirror(database, 2, shows_external_id=False)
    mirror(database, 3, shows_external_id=False)
    forget_unseen(database, 30, NOW_MS)
    assert keys(database) == {"externalId:1", "externalId:2"}


def test_retention_counts_from_when_a_row_was_last_seen(database: Database) -> None:
    """A row that the source sends unchanged every night is not forgotten."""
    for key in ("externalId:1", "externalId:2"):
        note(database, key)
        mirror(database, int(key[-1]))
    touch(database, [("reservations", "externalId:1")], NOW_MS)
    forget_unseen(database, 30, NOW_MS)
    assert keys(database) == {"externalId:1"}


def test_an_entry_is_touched_once_a_day() -> None:
    assert is_stale(NOW_MS - DAY_MS - 1, NOW_MS)
    assert not is_stale(NOW_MS - DAY_MS + 1, NOW_MS)
