"""Brings the mirror up to date: a facility's list in full once, then what ``lastSync`` brings.

Rules 5 to 8 of docs/design/write-back.md. Blocked times vanish without a trace and calendars have
no ``lastSync``, so both are listed whole; so are short lists, which cost no more that way.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.contract import CALENDARS, OPERATIONS, RESERVATIONS, RESOURCES
from bookio_api.errors import ContractError
from bookio_api.scan import Scan
from target_bookio.journal.windows import Trial, Window
from target_bookio.refresh.listed_row import identity, mirrored
from target_bookio.refresh.merge import merge
from target_bookio.refresh.mirror import Feed, Mirror, Row, Seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from concurrent.futures import Executor

    from bookio_api.client import BookioClient
    from bookio_api.facilities import Facilities, Facility
    from bookio_api.scan.pages import Page
    from target_bookio.journal.database import Database
    from target_bookio.journal.store import Journal
    from target_bookio.refresh.server_clock import ServerClock

logger = logging.getLogger(__name__)

LOOKBACK_MS = 300_000
"""How much further back a refresh asks, at the least, than it must."""
DATE_RESOLUTION_MS = 1_000
SHORT_LIST = 200
"""A list of so many rows is read whole in two or three requests: cheaper than to trust."""
DAY_MS = 86_400_000


class Hold(NamedTuple):
    """A row of which nobody can tell what it is: neither judged nor written (rules 6 and 14)."""

    facility_id: int | None
    until_ms: int
    """A refresh that starts then or later tells."""
    needs_full_scan: bool = False
    is_quarantine: bool = False


class Shown(NamedTuple):
    """A row as a list showed it lately, whatever the mirror made of it."""

    row: Row
    started_at: int
    """When the scan began that showed it."""


class Refresher:
    """Refreshes the mirror of one run. Its state is changed by the thread of the run alone."""

    def __init__(
        self,
        *,
        client: BookioClient,
        facilities: Facilities,
        journal: Journal,
        mirror: Mirror,
        clock: ServerClock,
        executor: Executor,
        settings: Mapping[str, Any],
    ) -> None:
        """Take what a run consists of; the executor's threads fetch pages ahead."""
        self._client = client
        self._facilities = facilities
        self._journal = journal
        self._windows = journal.windows
        self._mirror = mirror
        self._clock = clock
        self._executor = executor
        self._concurrency = settings["max_concurrency"]
        self.resend_after_ms = int(settings["resend_after_seconds"] * 1000)
        self._max_age_ms = settings["mirror_max_age_days"] * DAY_MS
        self.holds: dict[tuple[str, int], Hold] = {}
        self.shown: dict[tuple[str, int], Shown] = {}
        self._watched: set[tuple[str, int]] = set()
        """Rows whose listing is kept in ``shown``: those with an open doubt."""
        self._full_at: dict[tuple[str, int | None], int] = {}
        """When each list's last COMPLETE full scan of this run began."""
        self._clock_went_back = 0
        for stream, row_id, window in self._windows.quarantined():
            until = window.answered_at + self.resend_after_ms
            self.holds[stream, row_id] = Hold(window.facility_id, until, is_quarantine=True)

    def start(self) -> None:
        """See whether Bookio's clock went back since the last run (rule 1)."""
        latest = max(self._windows.latest(), self._mirror.latest())
        if not self._clock.is_known or self._clock.now_ms() + DATE_RESOLUTION_MS * 5 < latest:
            self._start_anew()

    def watch(self, stream: str, row_id: int) -> None:
        """Keep what lists show of a row from now on."""
        self._watched.add((stream, row_id))
        self.shown.pop((stream, row_id), None)

    def quarantine(self, stream: str, row_id: int, facility_id: int | None, ended_at: int) -> None:
        """Hold a row whose last write was found by its value (rule 14)."""
        until = ended_at + self.resend_after_ms
        self.holds[stream, row_id] = Hold(facility_id, until, is_quarantine=True)

    def full_scan_at(self, stream: str, facility_id: int | None) -> int:
        """Return when the last COMPLETE full scan of this run began; 0 if there was none.

        For facility ``None`` it is that of the facility whose scan is the oldest.
        """
        if (stream, facility_id) in self._full_at:
            return self._full_at[stream, facility_id]
        scopes = [facility.id for facility in self._facilities.in_scope]
        return min((self._full_at.get((stream, scope), 0) for scope in scopes), default=0)

    def refresh(
        self, stream: str, facilities: Iterable[Facility] | None = None, *, full: bool = False
    ) -> None:
        """Read what changed, or everything, of these facilities (all in scope).

        Raises:
            ContractError: a list cannot be read whole, so nothing can be decided.
        """
        if self._clock.times_back != self._clock_went_back:
            self._clock_went_back = self._clock.times_back
            self._start_anew()
        for facility in self._facilities.in_scope if facilities is None else facilities:
            self._read(stream, facility, full=full)

    def was_touched(
        self, stream: str, facility_id: int | None, row_id: int, since_ms: int
    ) -> bool | None:
        """Whether Bookio changed a row since then; ``None`` where ``lastSync`` cannot tell."""
        place = self._place(facility_id)
        if not self._can_ask_for_changes(stream, place):
            return None
        query = {"lastSync": since_ms - DATE_RESOLUTION_MS}
        pages = _Pages(self, stream, place, query)
        touched = any(row["id"] == row_id for page in pages for row in page)
        return touched if pages.is_complete else None

    def _read(self, stream: str, facility: Facility, *, full: bool) -> None:
        started = self._clock.now_ms()
        feed = self._mirror.feed(stream, facility.id)
        trials = self._windows.due_trials(stream, facility.id, started - self.resend_after_ms)
        full = full or self._is_renewal_due(stream, feed, started)
        missing = trials
        if feed and feed.asked_at and self._can_ask_for_changes(stream, facility):
            if trials or not full:
                missing = self._read_changes(stream, facility, feed, trials)
            full = full or bool(missing)
        else:
            full = True
        if full:
            self._read_whole(stream, facility, feed, missing)
        self._end_windows(stream, facility.id, started, was_full=full)

    def _is_renewal_due(self, stream: str, feed: Feed | None, now_ms: int) -> bool:
        return (
            stream != RESERVATIONS
            or feed is None
            or feed.row_count <= SHORT_LIST
            or now_ms - feed.full_at > self._max_age_ms
        )

    def _can_ask_for_changes(self, stream: str, facility: Facility) -> bool:
        return (
            "lastSync" in OPERATIONS[RESOURCES[stream].list_operation].query
            and self._clock.is_known
            and not self._windows.is_distrusted(stream, facility.id)
        )

    def _read_changes(
        self, stream: str, facility: Facility, feed: Feed, trials: list[Trial]
    ) -> list[Trial]:
        """Ask what changed; return the trials that it should have shown and did not (rule 8)."""
        started = self._clock.now_ms()
        oldest = self._windows.oldest_sent_at(stream, facility.id)
        asked_from = min(feed.asked_at, feed.asked_at if oldest is None else oldest)
        since = asked_from - max(LOOKBACK_MS, self.resend_after_ms)  # rule 5
        pages = _Pages(self, stream, facility, {"lastSync": since})
        wanted = {trial.row_id for trial in trials}
        listed: set[int] = set()
        for page in pages:
            self._merge(stream, facility, page, started)
            listed.update(wanted.intersection(row["id"] for row in page))
        if not pages.is_complete:
            self._read_whole(stream, facility, feed, [])
            return []
        self._mirror.put_feed(stream, facility.id, feed._replace(asked_at=pages.asked_at(started)))
        shown = [trial for trial in trials if trial.row_id in listed]
        for kind in {trial.kind for trial in shown}:
            self._windows.trust(stream, facility.id, kind, is_trusted=True)
        uncovered = [trial for trial in trials if trial.sent_at < since]
        self._windows.end_trials(stream, [*shown, *uncovered])
        return [trial for trial in trials if trial not in shown and trial not in uncovered]

    def _read_whole(
        self, stream: str, facility: Facility, feed: Feed | None, missing: list[Trial]
    ) -> None:
        """Read the whole list; what the mirror has beyond it is gone, or late (rules 6 and 7)."""
        started = self._clock.now_ms()
        db = self._journal.database
        db.execute("CREATE TEMP TABLE IF NOT EXISTS listed (id INTEGER PRIMARY KEY)")
        db.execute("DELETE FROM listed")
        pages, rows, shows_numbers = _Pages(self, stream, facility, {}), 0, False
        for page in pages:
            self._merge(stream, facility, page, started)
            rows += len(page)
            shows_numbers = shows_numbers or any("externalId" in row for row in page)
            db.executemany("INSERT OR IGNORE INTO listed VALUES (?)", [(r["id"],) for r in page])
        if not pages.is_complete:
            msg = f"the list of {stream} cannot be read whole, so nothing was written; run again"
            raise ContractError(msg)
        distrusted = [t for t in missing if _is_listed(db, t.row_id)]
        self._distrust(stream, facility, distrusted)
        if rows and not shows_numbers and stream != CALENDARS:
            db.warn_if_only_guard(stream)
        self._windows.end_trials(stream, missing)
        if feed is not None:
            unlisted = [row_id for row_id in self._mirror.ids_of(stream, facility.id)
                        if not _is_listed(db, row_id)]  # fmt: skip
            for row_id in unlisted:
                self._miss(stream, facility, row_id, started)
        asked_at = pages.asked_at(started)
        self._mirror.put_feed(stream, facility.id, Feed(asked_at, started, rows))
        self._full_at[stream, facility.id] = started

    def _distrust(self, stream: str, facility: Facility, missed: list[Trial]) -> None:
        for kind in {trial.kind for trial in missed}:
            self._windows.trust(stream, facility.id, kind, is_trusted=False)
        if missed:
            logger.warning(
                "%s: lastSync does not bring what was written through the API; "
                "whole lists are read from now on, which takes more requests",
                stream,
            )

    def _merge(
        self, stream: str, facility: Facility, page: list[dict[str, Any]], started: int
    ) -> None:
        """Merge listed rows into the mirror."""
        ids = [row["id"] for row in page]
        self._mirror.load(stream, ids)
        self._windows.load(stream, ids)
        for listed in page:
            home = listed.get("facilityId") if facility.id is None else facility.id
            tz = self._facilities.time_zone(home if isinstance(home, int) else None)
            row = mirrored(stream, listed, facility.id, tz, self._journal.digest)
            self._merge_row(stream, row, started)

    def _merge_row(self, stream: str, row: dict[str, Any], started: int) -> None:
        key = stream, row["id"]
        old, window = self._mirror.get(*key), self._windows.get(*key)
        is_open = window is not None and started < window.answered_at + self.resend_after_ms
        before = window.before if window is not None and is_open else {}
        merged = merge(old and old.row, row, before, self._journal.digest)
        if key in self._watched:
            self.shown[key] = Shown(row, started)
        if merged.row is None:
            return
        facility_id = merged.row.get("facilityId")
        if merged.is_late and window is not None:
            self.holds[key] = Hold(facility_id, window.answered_at + self.resend_after_ms)
        elif key in self.holds and not self.holds[key].is_quarantine and not is_open:
            del self.holds[key]
        if merged.replaced:
            replaced = {name: (digest,) for name, digest in merged.replaced.items()}
            self._windows.open(*key, Window(facility_id, started, started, replaced))
        shows = "externalId" in row
        if old is None:
            person, place = identity(stream, merged.row, self._journal.digest)
            self._mirror.put(stream, Seen(merged.row, person, place, started, shows))
        elif merged.row != old.row or shows != old.shows_external_id:
            person, place = identity(stream, merged.row, self._journal.digest)
            self._mirror.put(stream, Seen(merged.row, person, place, old.first_seen_at, shows))

    def _miss(self, stream: str, facility: Facility, row_id: int, started: int) -> None:
        """Take note that a full scan does not list a row of the mirror.

        1. It is cancelled: lists may hide such rows, so it stays.
        2. Its window is open: the list may be late, so it is held.
        3. Somebody removed it.
        """
        seen, window = self._mirror.get(stream, row_id), self._windows.get(stream, row_id)
        if seen is None or seen.row.get("status") == "CANCELLED":
            return
        if window is not None and started < window.answered_at + self.resend_after_ms:
            until = window.answered_at + self.resend_after_ms
            self.holds[stream, row_id] = Hold(facility.id, until, needs_full_scan=True)
        else:
            self._mirror.remove(stream, row_id)

    def _end_windows(
        self, stream: str, facility_id: int | None, started: int, *, was_full: bool
    ) -> None:
        """End the windows and holds that this refresh has seen the end of."""
        for key, hold in list(self.holds.items()):
            here = key[0] == stream and facility_id in (None, hold.facility_id)
            if here and hold.until_ms <= started and (was_full or not hold.needs_full_scan):
                del self.holds[key]
        self._windows.close_before(stream, facility_id, started - self.resend_after_ms)

    def _start_anew(self) -> None:
        """Let windows, holds and feeds start anew: the clock went back, or cannot be read."""
        now = self._clock.now_ms()
        self._windows.restart(now)
        self._mirror.restart()
        until = now + self.resend_after_ms
        self.holds = {key: hold._replace(until_ms=until) for key, hold in self.holds.items()}

    def _place(self, facility_id: int | None) -> Facility:
        places = {facility.id: facility for facility in self._facilities.in_scope}
        return places.get(facility_id) or places.get(None) or next(iter(places.values()))

    def page(self, operation: str, query: Mapping[str, Any]) -> Page:
        """Ask for a page. Called by the threads of the executor, too."""
        return self._client.list_page(operation, query)

    def scan(self, stream: str, query: Mapping[str, Any]) -> Scan:
        """Return a scan of a list, with pages fetched ahead."""
        resource = RESOURCES[stream]

        def fetch(offset: int, limit: int, window: Mapping[str, str]) -> Page:
            return self.page(
                resource.list_operation, {**query, "offset": offset, "limit": limit, **window}
            )

        return Scan(fetch, executor=self._executor, concurrency=self._concurrency,
                    date_filters=resource.date_filters)  # fmt: skip

    def hear(self, page: Page) -> None:
        """Take the time from a page."""
        self._clock.hear(page.server_time_ms)


class _Pages:
    """One reading of one list: iterate once, then ask whether it was complete."""

    def __init__(
        self, refresher: Refresher, stream: str, facility: Facility, query: Mapping[str, Any]
    ) -> None:
        self._refresher = refresher
        self._stream = stream
        self._query = {"facilityId": facility.id, **query}
        self._first: Page | None = None
        self.is_complete = False

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows, page by page."""
        operation = OPERATIONS[RESOURCES[self._stream].list_operation]
        if not operation.paged:
            self._first = self._refresher.page(operation.name, self._query)
            yield self._first.rows
            self.is_complete = True
        else:
            scan = self._refresher.scan(self._stream, self._query)
            for page in scan.pages():
                self._first = self._first or scan.first_page
                yield page
            self._first = self._first or scan.first_page
            self.is_complete = scan.verdict.complete
        self._refresher.hear(self._first)

    def asked_at(self, started: int) -> int:
        """Return the bookmark: Bookio's time when the first question was asked."""
        date = self._first.server_time_ms if self._first else None
        return started if date is None else min(started, date - DATE_RESOLUTION_MS)


def _is_listed(db: Database, row_id: int) -> bool:
    return bool(db.execute("SELECT 1 FROM listed WHERE id = ?", (row_id,)))
