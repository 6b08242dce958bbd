"""Which shard a facility belongs to. Pure, and the same on every machine and in every release.

A shard's state has the bookmarks of its facilities. If a facility moved to another shard without
its bookmark, it would be read in full again, so neither the hash nor the names may ever change.
Use ``bookio-shards move`` to change the number of shards.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from bookio_api.errors import SettingsError

MAX_SHARDS = 64
"""An orchestrator has a task for each shard, and Airflow's scheduler one row for each task."""
_HASH_DIGITS = 8
"""32 bits, which a shell or PostgreSQL can compute as well."""


class Shard(NamedTuple):
    """One of several shards; ``number`` counts from 0."""

    number: int
    of: int

    @property
    def name(self) -> str:
        """Its name in tasks and states, for instance ``shard-07of16``."""
        return f"shard-{self.number:02}of{self.of:02}"


def shard_of(facility_id: int, count: int) -> Shard:
    """Return the shard of a facility among ``count``.

    The first 8 hex digits of the SHA-256 of the id, written in decimal, modulo ``count``.
    """
    digest = sha256(str(facility_id).encode()).hexdigest()
    return Shard(int(digest[:_HASH_DIGITS], 16) % count, count)


def all_shards(count: int) -> list[Shard]:
    """Return all ``count`` shards. Raises ``SettingsError`` for an invalid number."""
    if not 1 <= count <= MAX_SHARDS:
        msg = f"{count} shards are not possible; use 1 to {MAX_SHARDS}"
        raise SettingsError(msg)
    return [Shard(number, count) for number in range(count)]


def assign(facility_ids: Iterable[int], count: int) -> dict[Shard, list[int]]:
    """Return the facilities of every shard, sorted; the list may be empty."""
    assigned: dict[Shard, list[int]] = {shard: [] for shard in all_shards(count)}
    for facility_id in sorted(set(facility_ids)):
        assigned[shard_of(facility_id, count)].append(facility_id)
    return assigned
