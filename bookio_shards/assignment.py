"""Which shard a facility belongs to. Pure, and the same on every machine and in every release.

A shard's state holds the bookmarks of its facilities. A facility that moved to another shard
without its bookmark would be read in full again, so neither the hash nor the names may ever change.
To change the number of shards, use ``bookio-shards move``.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from bookio_api.errors import SettingsError

MAX_SHARDS = 64
"""Each shard is a task of the orchestrator, and a row in the database of Airflow's scheduler."""
_HASH_DIGITS = 8
"""32 bits, so that a shell or PostgreSQL can compute it too."""


class Shard(NamedTuple):
    """One of ``of`` shards; ``number`` counts from 0."""

    number: int
    of: int

    @property
    def name(self) -> str:
        """The name of its task and its state, for instance ``shard-07of16``."""
        return f"shard-{self.number:02}of{self.of:02}"


def shard_of(facility_id: int, count: int) -> Shard:
    """Return the shard of a facility among ``count``.

    The first 8 hex digits of the SHA-256 of the id, written in decimal, modulo ``count``.
    """
    digest = sha256(str(facility_id).encode()).hexdigest()
    return Shard(int(digest[:_HASH_DIGITS], 16) % count, count)


def all_shards(count: int) -> list[Shard]:
    """Return all ``count`` shards. Raises ``SettingsError`` if there cannot be that many."""
    if not 1 <= count <= MAX_SHARDS:
        msg = f"{count} shards are not possible; use 1 to {MAX_SHARDS}"
        raise SettingsError(msg)
    return [Shard(number, count) for number in range(count)]


def assign(facility_ids: Iterable[int], count: int) -> dict[Shard, list[int]]:
    """Return the sorted facilities of every shard; a shard may have none."""
    assigned: dict[Shard, list[int]] = {shard: [] for shard in all_shards(count)}
    for facility_id in sorted(set(facility_ids)):
        assigned[shard_of(facility_id, count)].append(facility_id)
    return assigned
