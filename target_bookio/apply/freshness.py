"""Refreshes the mirror once per run, and again for rows that wait for a list."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bookio_api.contract import BLOCKED_TIMES, RESERVATIONS

if TYPE_CHECKING:
    from bookio_api.facilities import Facilities
    from target_bookio.apply.locator import Locator
    from target_bookio.apply.reporter import Reporter
    from target_bookio.refresh.mirror import Mirror
    from target_bookio.refresh.refresher import Refresher

NUMBERED_STREAMS = (RESERVATIONS, BLOCKED_TIMES)
"""Streams whose rows can have our ``externalId``."""


@dataclass(kw_only=True)
class Freshness:
    """Which streams this run has read. Changed only by the reconciler's thread."""

    mirror: Mirror
    refresher: Refresher
    locator: Locator
    facilities: Facilities
    reporter: Reporter
    _refreshed: set[str] = field(default_factory=set, init=False)
    _looked_elsewhere: set[str] = field(default_factory=set, init=False)
    _unreported: dict[str, set[int]] = field(default_factory=dict, init=False)
    """``externalId`` values of two rows for which no record was rejected yet (rule 19)."""

    def ensure(self, stream: str) -> None:
        """Refresh a stream unless this run has done so."""
        if stream not in self._refreshed:
            self._refreshed.add(stream)
            self.again(stream)
            self._unreported[stream] = set(self.mirror.duplicates(stream))

    def again(self, stream: str, *, full: bool = False) -> None:
        """Refresh a stream for a row that waits for a list."""
        self.refresher.refresh(stream, full=full)
        self.locator.refreshed(stream)

    def look_elsewhere(self, stream: str) -> bool:
        """Read the facilities out of scope, once; False if nothing new was read."""
        others = self.facilities.out_of_scope
        if not others or stream in self._looked_elsewhere:
            return False
        self._looked_elsewhere.add(stream)
        self.refresher.refresh(stream, others)
        return True

    def duplicate_reported(self, stream: str, external_id: int | None) -> None:
        """Remember that a record was rejected because two rows have its ``externalId``."""
        self._unreported[stream].discard(external_id or 0)

    def report_duplicates(self) -> None:
        """Report the duplicates for which no record was rejected (rule 19)."""
        for stream in NUMBERED_STREAMS:
            if stream not in self._refreshed and self.mirror.duplicates(stream):
                self.ensure(stream)
        for stream, numbers in self._unreported.items():
            for number in sorted(numbers):
                self.reporter.two_rows(stream, number)
            numbers.clear()
