"""Which state holds the bookmarks of a facility: one of several shards, or one for all."""

from __future__ import annotations

from dataclasses import dataclass

from bookio_shards.assignment import all_shards, shard_of


@dataclass(frozen=True)
class Layout:
    """The ids of the states among which all facilities are divided, one for each shard in order.

    A run without shards counts as a single shard, whose state has any id.
    """

    state_ids: tuple[str, ...]

    @classmethod
    def of_shards(cls, count: int, prefix: str) -> Layout:
        """Return the states of ``count`` shards. Raises ``SettingsError``."""
        return cls(tuple(prefix + shard.name for shard in all_shards(count)))

    def state_id_of(self, facility_id: int) -> str:
        """Return the id of a facility's state."""
        return self.state_ids[shard_of(facility_id, len(self.state_ids)).number]
