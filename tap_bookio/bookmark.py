"""The bookmark is the time of our request, never a record's.

W is the server's clock (``Date`` header) at the first response of a scan, less a second for its
resolution, in epoch milliseconds. The next run asks ``lastSync = W - max(lookback, duration of
that scan)``. W moves only after a COMPLETE scan, also when it brought no row.

``lastSync`` lists what *changed* since W. A row that earlier questions filtered out and that has
not changed since would never come, so the bookmark keeps the filters beside W, and a question that
asks for more than they did is asked without ``lastSync``. The same holds for the time zone whose
offsets the rows have: where it is another one now, they must all be read again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

REPLICATION_KEY = "lastSync"
FILTERS = "filters"
TIME_ZONE = "time_zone"
ASSUMED_TIME_ZONE = "assumed_time_zone"
"""Instead of the former, where Bookio did not name the zone."""
State = dict[str, Any]
"""A Singer state, or a part of it."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a request leaves out: rows of other days, synced ones, those not changed since."""

    first_day: str | None = None
    """YYYY-MM-DD, which sorts chronologically; so does the last day."""
    last_day: str | None = None
    only_unsynced: bool = False
    start_ms: int | None = None
    """``start_date`` in epoch milliseconds; it limits only the first request."""

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Filters | None:
        """Read them from a partition's state; None if an older version wrote it."""
        filters = state.get(FILTERS)
        return None if filters is None else cls(**filters)

    def state(self) -> State:
        """Return the ones that are set, in the form of a partition's state."""
        return {name: value for name in self.__slots__ if (value := getattr(self, name))}

    def wider_than(self, before: Filters) -> list[str]:
        """Return the settings (without the stream's name) that ask for rows left out before."""
        no_day_before, no_day_after = "", "~"  # which sort before and after all days
        is_wider = {
            "from": (self.first_day or no_day_before) < (before.first_day or no_day_before),
            "to": (self.last_day or no_day_after) > (before.last_day or no_day_after),
            "only_unsynced": before.only_unsynced and not self.only_unsynced,
            "start_date": (self.start_ms or 0) < (before.start_ms or 0),
        }
        return [name for name, wider in is_wider.items() if wider]


@dataclass(frozen=True, slots=True)
class Bookmark:
    """One facility's bookmark; both numbers are milliseconds."""

    question_ms: int
    scan_ms: int = 0
    filters: Filters | None = None
    """The filters that all rows read so far passed; None if an older version wrote the state."""
    time_zone: str | None = None
    """The zone whose offsets the rows have; None if an older version wrote the state."""
    is_zone_known: bool = False
    """Whether Bookio named that zone; otherwise it is an earlier ``default_timezone``."""

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Bookmark | None:
        """Read it from the state of a partition."""
        value = state.get("replication_key_value")
        if value is None:
            return None
        return cls(
            value,
            state.get("scan_ms", 0),
            Filters.of(state),
            state.get(TIME_ZONE) or state.get(ASSUMED_TIME_ZONE),
            is_zone_known=TIME_ZONE in state,
        )

    def write(self, state: State) -> None:
        """Write it into a partition's state, in the SDK's format."""
        state["replication_key"] = REPLICATION_KEY
        state["replication_key_value"] = self.question_ms
        state["scan_ms"] = self.scan_ms
        if self.filters is not None:
            state[FILTERS] = self.filters.state()
        if self.time_zone is not None:
            known, other = (TIME_ZONE, ASSUMED_TIME_ZONE)[:: 1 if self.is_zone_known else -1]
            state[known] = self.time_zone
            state.pop(other, None)

    def covered_by(self, asked: Filters) -> Filters:
        """Return the filters that all rows have passed after a scan with these filters.

        ``start_date`` limits no question that has a bookmark, so the first one's stays in force.
        """
        return asked if self.filters is None else replace(asked, start_ms=self.filters.start_ms)

    def last_sync(self, lookback_seconds: float) -> int:
        """Return the ``lastSync`` of the next request."""
        return max(0, self.question_ms - max(int(lookback_seconds * 1000), self.scan_ms))
