"""Updates the mirror: reads a facility's list in full once, then by ``lastSync``.

Rules 5 to 8 of docs/design/write-back.md: what to read, and when. `row_merger` decides what a
listed row means, `holds` which rows must wait, and `trust` whether ``lastSync`` can be trusted.
Lists of blocked times, which disappear without a trace, of calendars, which have no ``lastSync``,
and short lists, where it costs no more, are always read in full.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from bookio_api.contract import CALENDARS, RESERVATIONS
from bookio_api.errors import ContractError
from target_bookio.refresh.holds import Holds
from target_bookio.refresh.listed_ids import ListedIds
from target_bookio.refresh.mirror import Feed
from target_bookio.refresh.row_merger import RowMerger
from target_bookio.refresh.server_clock import DATE_RESOLUTION_MS, JUMP_MS, Moment
from target_bookio.refresh.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bookio_api.facilities import Facilities, Facility
    from target_bookio.journal.store import Journal
    from target_bookio.journal.windows import Trial
    from target_bookio.refresh.mirror import Mirror
    from target_bookio.refresh.reading import Lists
    from target_bookio.refresh.server_clock import ServerClock

logger = logging.getLogger(__name__)

LOOKBACK_MS = 300_000
"""Minimum by which a refresh reads further back than it would have to (rule 5)."""
SHORT_LIST = 200
"""Maximum rows of a list that is always read in full: it takes two or three requests."""
DAY_MS = 86_400_000


class Refresher:
    """Refreshes the mirror of one run. Only the thread of the run changes its state."""

    def __init__(
        self,
        *,
        lists: Lists,
        facilities: Facilities,
        journal: Journal,
        mirror: Mirror,
        clock: ServerClock,
        settings: Mapping[str, Any],
    ) -> None:
        """Take the parts of a run."""
        self._lists = lists
        self._facilities = facilities
        self._journal = journal
        self._windows = journal.windows
        self._mirror = mirror
        self._clock = clock
        self._max_age_ms = settings["mirror_max_age_days"] * DAY_MS
        # Rule 3: our reading of Bookio's clock may be off by its resolution, and no wait may be
        # shorter than the setting.
        self.resend_after_ms = int(settings["resend_after_seconds"] * 1000) + DATE_RESOLUTION_MS
        self.holds = Holds(self._windows, self.resend_after_ms)
        self.rows = RowMerger(
            journal=journal,
            mirror=mirror,
            holds=self.holds,
            facilities=facilities,
            resend_after_ms=self.resend_after_ms,
        )
        self._trust = Trust(self._windows, clock, self.resend_after_ms)
        self._warned_of: set[str] = set()
        """Streams of which `_warn_of_hidden_numbers` has warned."""
        self._full_at: dict[tuple[str, int | None], Moment] = {}
        """When each list's last COMPLETE full scan of this run began."""
        self._frame = clock.frame
        """The frame of Bookio's clock when everything was last restarted."""

    def start(self) -> None:
        """Check whether Bookio's clock went back since the last run (rule 1)."""
        latest = max(self._windows.latest(), self._mirror.latest())
        if not self._clock.is_known or self._clock.now_ms() + JUMP_MS < latest:
            self._restart()

    def full_scan_at(self, stream: str, facility_id: int | None) -> Moment | None:
        """Return when the last COMPLETE full scan of this run began; ``None`` if there was none.

        For facility ``None``, return the oldest of these times over all facilities in scope.
        """
        scopes = {facility.id for facility in self._facilities.in_scope}
        # A token that cannot list facilities reads all of them in one list.
        if facility_id is not None and None not in scopes:
            return self._full_at.get((stream, facility_id))
        known = [self._full_at.get((stream, scope)) for scope in scopes]
        began = [moment for moment in known if moment is not None]
        return min(began) if began and len(began) == len(known) else None

    def refresh(
        self, stream: str, facilities: Iterable[Facility] | None = None, *, full: bool = False
    ) -> None:
        """Read the changes, or everything, in these facilities (by default, all in scope).

        Raises:
            ContractError: a list is incomplete, so nothing can be decided.
        """
        for facility in self._facilities.in_scope if facilities is None else facilities:
            self._read(stream, facility, full=full)

    def was_touched(
        self, stream: str, facility_id: int | None, row_id: int, since_ms: int
    ) -> bool | None:
        """Whether a row changed since then; ``None`` if ``lastSync`` cannot show that."""
        in_scope = {facility.id: facility for facility in self._facilities.in_scope}
        facility = in_scope.get(facility_id) or in_scope.get(None)
        if facility is None or not self._trust.can_ask_for_changes(stream, facility):
            return None
        reading = self._lists.read(stream, facility.id, lastSync=since_ms - DATE_RESOLUTION_MS)
        # Read to the end, even if the row is found: only then is it known to be complete.
        touched = {row["id"] for page in reading for row in page}
        return row_id in touched if reading.is_complete else None

    def _read(self, stream: str, facility: Facility, *, full: bool) -> None:
        """Refresh one list."""
        started = self._begin().server_ms
        frame = self._frame
        feed = self._mirror.feed(stream, facility.id)
        trials = self._trust.trials(stream, facility, started)
        full = full or self._is_renewal_due(stream, feed, started)
        missing: list[Trial] | None = []
        # 1. Nothing was read yet, or lastSync cannot be used: only the whole list. Trials end
        #    without a verdict, because there was no incremental list to show their writes.
        if not (feed and feed.asked_at and self._trust.can_ask_for_changes(stream, facility)):
            self._trust.end(stream, trials)
            full = True
        # 2. The changes. With trials also before the whole list, to find out what lastSync misses.
        elif trials or not full:
            missing = self._read_changes(stream, facility, feed, trials)
            full = full or missing is None or bool(missing)
        # 3. The whole list, if it must be renewed (rule 7), if the changes did not show a write on
        #    trial (rule 8), or if they could not be read completely.
        if full:
            self._read_whole(stream, facility, feed, missing or [])
        # The beginning of the refresh decides which windows and holds end: it may not show changes
        # that were made while it was running. If the clock has jumped meanwhile, that time cannot
        # be compared with theirs, and the next refresh restarts them (rule 1).
        if self._clock.frame != frame:
            return
        self.holds.end(stream, facility.id, started, was_full=full)
        self._windows.close_before(stream, facility.id, started - self.resend_after_ms)

    def _is_renewal_due(self, stream: str, feed: Feed | None, now_ms: int) -> bool:
        return (
            stream != RESERVATIONS
            or feed is None
            or feed.row_count <= SHORT_LIST
            or now_ms - feed.full_at > self._max_age_ms
        )

    def _read_changes(
        self, stream: str, facility: Facility, feed: Feed, trials: list[Trial]
    ) -> list[Trial] | None:
        """Read the changes; return the trials that they do not show, ``None`` if incomplete."""
        started = self._begin()
        oldest = self._windows.oldest_sent_at(stream, facility.id)
        asked_from = feed.asked_at if oldest is None else min(feed.asked_at, oldest)
        # Rule 5: a list may show a change late, so read further back than the last refresh.
        since = asked_from - max(LOOKBACK_MS, self.resend_after_ms)
        reading = self._lists.read(stream, facility.id, lastSync=since)
        wanted = {trial.row_id for trial in trials}
        listed: set[int] = set()
        for page in reading:
            self.rows.merge_page(stream, facility, page, started)
            listed.update(wanted.intersection(row["id"] for row in page))
        if not reading.is_complete:
            return None
        asked_at = reading.asked_at(started.server_ms)
        self._mirror.put_feed(stream, facility.id, feed._replace(asked_at=asked_at))
        return self._trust.try_changes(stream, facility, trials, listed, since)

    def _read_whole(
        self, stream: str, facility: Facility, feed: Feed | None, missing: list[Trial]
    ) -> None:
        """Read the whole list, and process the mirrored rows that it does not show."""
        started = self._begin()
        reading, row_count, shows_numbers = self._lists.read(stream, facility.id), 0, False
        listed = ListedIds(self._journal.database)
        for page in reading:
            self.rows.merge_page(stream, facility, page, started)
            row_count += len(page)
            shows_numbers = shows_numbers or any("externalId" in row for row in page)
            listed.add(row["id"] for row in page)
        if not reading.is_complete:
            msg = f"the list of {stream} is incomplete, so nothing was written; run again"
            raise ContractError(msg)
        if row_count and not shows_numbers and stream != CALENDARS:
            self._warn_of_hidden_numbers(stream)
        self._trust.try_whole(stream, facility, missing, listed)
        # Rule 7: the list is merged. Only now is it known which mirrored rows it does not show.
        if feed is not None:
            mirrored_ids = self._mirror.ids_of(stream, facility.id)
            for row_id in [row_id for row_id in mirrored_ids if row_id not in listed]:
                self.rows.miss(stream, facility, row_id, started.server_ms)
        asked_at = reading.asked_at(started.server_ms)
        self._mirror.put_feed(stream, facility.id, Feed(asked_at, started.server_ms, row_count))
        self._full_at[stream, facility.id] = started

    def _warn_of_hidden_numbers(self, stream: str) -> None:
        """Warn once if a stream's list shows no ``externalId`` and the journal is new.

        Then only the journal can recognise a booking safely, and this one may replace a lost one.
        """
        database = self._journal.database
        if database.is_new and stream not in self._warned_of:
            self._warned_of.add(stream)
            logger.warning(
                "%s: the list shows no externalId, and the journal %s is new. Without it a "
                "booking can be recognised only by its person and term: keep it between runs, "
                "back it up, and if this is not the first run, stop and restore it",
                stream,
                database.path,
            )

    def _begin(self) -> Moment:
        """Return the time at which a list is asked, after a restart if the clock has jumped."""
        if self._clock.frame != self._frame:
            self._frame = self._clock.frame
            self._restart()
        return self._clock.moment()

    def _restart(self) -> None:
        """Restart everything that counts by Bookio's clock: it jumped, or is unknown (rule 1)."""
        now = self._clock.now_ms()
        self._journal.restart(now)
        self._mirror.restart()
        self.holds.restart(now)
