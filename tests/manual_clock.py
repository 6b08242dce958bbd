"""A clock that moves only when somebody waits for it: waits of minutes take no time."""

from __future__ import annotations

import threading


class ManualClock(threading.Event):
    """Reads as ``clock()``, and stands in for the event that ends waits."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        self.now += timeout
        return self.is_set()
