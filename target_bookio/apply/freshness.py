"""Refreshes the mirror once per run, and again when a row waits for a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bookio_api.contract import BLOCKED_TIMES, RESERVATIONS

if TYPE_CHECKING:
    from bookio_api.facilities import Facilities
    from target_bookio.apply.locator import Locator
    from target_bookio.apply.reporter import Reporter
    from target_bookio.refresh.mirror import Mirror
    from target_bookio.refresh.refresher import Refresher

NUMBERED_STREAMS = (RESERVATIONS, BLOCKED_TIMES)
"""Streams whose rows have a number of ours."""


class Freshness:
    """What was read of each stream. Changed only by the reconciler's thread."""

    def __init__(
        self,
        *,
        mirror: Mirror,
        refresher: Refresher,
        locator: Locator,
        facilities: Facilities,
        reporter: Reporter,
    ) -> None:
        """Take the mirror, what refreshes it, and who must know that it is new."""
        self._mirror = mirror
        self._refresher = refresher
        self._locator = locator
        self._facilities = facilities
        self._reporter = reporter
        self._refreshed: set[str] = set()
        self._looked_elsewhere: set[str] = set()
        self._twice: dict[str, set[int]] = {}
        """``externalId`` values of two rows that no record was rejected for yet (rule 19)."""

    def ensure(self, stream: str) -> None:
        """Refresh a stream unless this run has done so."""
        if stream not in self._refreshed:
            self._refreshed.add(stream)
            self.again(stream)
            self._twice[stream] = set(self._mirror.duplicates(stream))

    def again(self, stream: str, *, full: bool = False) -> None:
        """Refresh a stream for a row that waits for a list."""
        self._refresher.refresh(stream, full=full)
        self._locator.refreshed(stream)

    def look_elsewhere(self, stream: str) -> bool:
        """Read the facilities out of scope, once; False if there was nothing new."""
        others = self._facilities.out_of_scope
        if not others or stream in self._looked_elsewhere:
            return False
        self._looked_elsewhere.add(stream)
        self._refresher.refresh(stream, others)
        return True

    def reported_twice(self, stream: str, external_id: int | None) -> None:
        """Take note that a record was rejected for a number that two rows have."""
        self._twice[stream].discard(external_id or 0)

    def report_twice(self) -> None:
        """Report the other numbers of ours that two rows have, though no record came (rule 19)."""
        for stream in NUMBERED_STREAMS:
            if stream not in self._refreshed and self._mirror.duplicates(stream):
                self.ensure(stream)
        for stream, numbers in self._twice.items():
            for number in sorted(numbers):
                self._reporter.two_rows(stream, number)
            numbers.clear()
