"""A copy of the store that lags behind it, like a read replica of a database."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from bookio_sandbox.world.store import Store

if TYPE_CHECKING:
    from bookio_sandbox.world.clock import Clock
    from bookio_sandbox.world.store import Stored


class Replica:
    """Follows a store, with a delay of ``lag_s`` seconds."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Start as an exact copy of ``store``."""
        self._clock = clock
        self._copy = Store()
        store.copy_to(self._copy)
        self._pending: deque[tuple[int, str, int, Stored | None]] = deque()
        """Changes that are not visible yet: time, stream, id, and the new row."""
        self._store = store
        store.on_change(self._note)

    def as_of(self, lag_s: float) -> Store:
        """Return the world as it was so many seconds ago."""
        seen_until = self._clock.now_ms() - lag_s * 1000
        while self._pending and self._pending[0][0] <= seen_until:
            _, stream, row_id, stored = self._pending.popleft()
            if stored is None:
                self._copy.remove(stream, row_id)
            else:
                self._copy.put(stream, stored.row, stored.modified, unsynced=stored.unsynced)
        return self._copy

    def _note(self, stream: str, row_id: int) -> None:
        stored = self._store.get(stream, row_id)
        self._pending.append((self._clock.now_ms(), stream, row_id, stored))
