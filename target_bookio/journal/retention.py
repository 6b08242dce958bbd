"""Retention: the journal forgets rows that no record has referred to for long and that lists show.

A row that no list shows is kept whatever its age: lists may hide its ``externalId``, it may be
cancelled and hidden, or removed. Its entry is the only guard against booking it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_bookio.journal.database import Database

DAY_MS = 86_400_000
SEEN_RESOLUTION_MS = DAY_MS
"""An entry's time is updated once a day, because each update costs a write."""

_TOUCH = (
    "UPDATE entries SET noted_at = ? WHERE (stream, key) IN "
    "(SELECT value ->> 0, value ->> 1 FROM json_each(?))"
)
_FORGET = """
DELETE FROM entries
WHERE intent IS NULL AND noted_at < ? AND EXISTS (
    SELECT 1 FROM mirror
    WHERE mirror.stream = entries.stream AND mirror.id = entries.remote_id
    AND (mirror.shows_external_id = 1 OR entries.key NOT LIKE 'externalId:%')
)
"""


def is_stale(noted_at: int, now_ms: int) -> bool:
    """Whether the time of an entry that is used now should be updated."""
    return noted_at < now_ms - SEEN_RESOLUTION_MS


def touch(database: Database, keys: Sequence[tuple[str, str]], now_ms: int) -> None:
    """Record that these entries were seen, by stream and key; durable with the next commit."""
    if keys:
        database.execute(_TOUCH, (now_ms, msgspec.json.encode(keys).decode()))


def forget_unseen(database: Database, days: int, now_ms: int) -> None:
    """Forget entries last seen more than that many days ago; durable with the next commit."""
    database.execute(_FORGET, (now_ms - days * DAY_MS,))
