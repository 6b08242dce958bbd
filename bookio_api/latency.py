"""How many requests to have under way: as many as answers are slower than we are."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

WORK_SECONDS = 0.0007
"""About what a page costs us, once it is here. Python does such work on one thread at a time, so
for a server that answers as quickly, further threads would only wait for one another."""


class Latency:
    """The quickest of the last few answers, measured by whoever asks. Safe to use from threads."""

    def __init__(self) -> None:
        """Know nothing yet: a server is far until it has shown that it is near."""
        self._seconds: deque[float] = deque(maxlen=8)

    def of(self, ask: Callable[[int], T], offset: int) -> T:
        """Return what asking returns, and remember how long it took."""
        started = time.monotonic()
        answer = ask(offset)
        self._seconds.append(time.monotonic() - started)
        return answer

    def useful(self, most: int) -> int:
        """Return how many requests are worth having under way, ``most`` at the most."""
        return min(most, int(min(self._seconds) / WORK_SECONDS)) if self._seconds else most
