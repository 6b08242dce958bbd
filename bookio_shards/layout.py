"""Which state holds the bookmarks of a facility: one of several shards, or one for all."""

from __future__ import annotations

from dataclasses import dataclass

from bookio_shards.assignment import all_shards, shard_of


@dataclass(frozen=True)
class Layout:
    """The ids of the states that all facilities are spread over, in the order of their shards."""

    state_ids: tuple[str, ...]

    @classmethod
    def of_shards(cls, count: int, prefix: str) -> Layout:
        """Return the states of ``count`` shards. Raises ``SettingsError`` for a wrong number."""
        return cls(tuple(prefix + shard.name for shard in all_shards(count)))

    def state_id_of(self, facility_id: int) -> str:
        """Return the state of a facility; where there is one alone, it is that of all."""
        return self.state_ids[shard_of(facility_id, len(self.state_ids)).number]
