"""Merges listed rows into the mirror, and opens windows and holds (rule 6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.contract import CANCELLED
from target_bookio.journal.windows import Window
from target_bookio.refresh.listed_row import identity, mirrored
from target_bookio.refresh.merge import merge
from target_bookio.refresh.mirror import ListedNumber, Seen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookio_api.facilities import Facilities, Facility
    from target_bookio.journal.store import Journal
    from target_bookio.plan.operations import Row
    from target_bookio.refresh.holds import Holds
    from target_bookio.refresh.mirror import Mirror
    from target_bookio.refresh.server_clock import Moment


class Shown(NamedTuple):
    """A row as a list last showed it, before merging."""

    row: Row
    started_ms: int
    """When the scan that showed it began (`Moment.steady_ms`)."""


@dataclass(kw_only=True)
class RowMerger:
    """Updates the mirror's rows. Used only by the thread of the run."""

    journal: Journal
    mirror: Mirror
    holds: Holds
    facilities: Facilities
    resend_after_ms: int
    _watched: set[tuple[str, int]] = field(default_factory=set, init=False)
    """Rows with an open doubt."""
    _shown: dict[tuple[str, int], Shown] = field(default_factory=dict, init=False)
    """What a list last showed of a watched row, before merging."""

    def watch(self, stream: str, row_id: int) -> None:
        """Keep what lists show of a row from now on."""
        self._watched.add((stream, row_id))
        # What was listed before the request in doubt shows nothing about it.
        self._shown.pop((stream, row_id), None)

    def shown(self, stream: str, row_id: int) -> Shown | None:
        """Return what a list has last shown of a row since `watch` was called."""
        return self._shown.get((stream, row_id))

    def merge_page(
        self, stream: str, facility: Facility, page: list[dict[str, Any]], started: Moment
    ) -> None:
        """Merge the rows of a page of a scan that began at ``started``."""
        ids = [listed["id"] for listed in page]
        self.mirror.load(stream, ids)
        self.journal.windows.load(stream, ids)
        for listed in page:
            # A token that cannot list facilities reads all of them in one list.
            home = listed.get("facilityId") if facility.id is None else facility.id
            tz = self.facilities.time_zone(home if isinstance(home, int) else None)
            row = mirrored(stream, listed, facility.id, tz, self.journal.digest)
            if (stream, row["id"]) in self._watched:
                self._shown[stream, row["id"]] = Shown(row, started.steady_ms)
            self._merge_row(stream, row, started.server_ms, _listed_number(listed, row))

    def miss(self, stream: str, facility: Facility, row_id: int, started: int) -> None:
        """Process a mirrored row that a full scan does not list."""
        seen, window = self.mirror.get(stream, row_id), self.journal.windows.get(stream, row_id)
        # 1. Lists may hide cancelled rows, so it stays in the mirror.
        if seen is None or seen.row.get("status") == CANCELLED:
            return
        # 2. Rule 6: its window is open, so the list may be late.
        if window is not None and self._is_open(window, started):
            self.holds.hold_missing(stream, row_id, facility.id, window)
        # 3. Somebody removed it.
        else:
            self.mirror.remove(stream, row_id)

    def _merge_row(
        self, stream: str, row: dict[str, Any], started: int, number: ListedNumber
    ) -> None:
        row_id = row["id"]
        old, window = self.mirror.get(stream, row_id), self.journal.windows.get(stream, row_id)
        open_window = window if window is not None and self._is_open(window, started) else None
        before = open_window.before if open_window is not None else {}
        merged = merge(old and old.row, row, before, self.journal.digest)
        if merged.row is None:
            return
        facility_id = merged.row.get("facilityId")
        # Rule 6: an earlier value in a window holds the row. After the window, the list is right.
        if merged.is_late and open_window is not None:
            self.holds.hold_late(stream, row_id, facility_id, open_window)
        elif open_window is None:
            self.holds.release(stream, row_id)
        # A person's change opens a window too: the next list may come from an older replica.
        if merged.replaced:
            replaced = {name: (digest,) for name, digest in merged.replaced.items()}
            self.journal.windows.open(
                stream, row_id, Window(facility_id, started, started, replaced)
            )
        self._put(stream, merged.row, old, started, number)

    def _put(
        self, stream: str, row: Row, old: Seen | None, started: int, number: ListedNumber
    ) -> None:
        """Put a row into the mirror, unless it is there already."""
        if old is not None and (row, number) == (old.row, old.listed_number):
            return
        person, place = identity(stream, row, self.journal.digest)
        first_seen_at = started if old is None else old.first_seen_at
        self.mirror.put(stream, Seen(row, person, place, first_seen_at, number))

    def _is_open(self, window: Window, started: int) -> bool:
        """Whether a list whose scan began then may show an earlier value of a row."""
        return started < window.answered_at + self.resend_after_ms


def _listed_number(listed: Mapping[str, Any], row: Row) -> ListedNumber:
    """Return what a list shows of a row's ``externalId``."""
    if "externalId" in row:
        return ListedNumber.SHOWN
    return ListedNumber.EMPTY if "externalId" in listed else ListedNumber.LEFT_OUT
