"""Looks up what Bookio has: before a write, and after one whose answer never came."""

from __future__ import annotations

import logging
import re
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.localtime import to_wall
from bookio_api.scan import Scan
from target_bookio.desired import BLOCKED_TIMES, CALENDARS, RESERVATIONS
from target_bookio.journal.store import CONFIRMED, IN_DOUBT
from target_bookio.plan.operations import CREATE, REMOVE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from concurrent.futures import Executor
    from zoneinfo import ZoneInfo

    from bookio_api.client import BookioClient
    from bookio_api.facilities import Facilities, Facility
    from bookio_api.scan.pages import Page
    from target_bookio.journal.store import Entry
    from target_bookio.plan.operations import Digest, Row

logger = logging.getLogger(__name__)

NEVER_HAPPENED = "NEVER_HAPPENED"
"""Verdict on an intent that is absent from two complete lists, so that it may be sent again."""

PAUSES = (0.5, 3.5)
"""Seconds before the first and the second look: an answer may be lost before its write is done."""

_NUMBERS = ("externalId", "facilityId", "serviceId")
_INTEGER = re.compile(r"-?\d{1,18}")

_LISTS = {
    RESERVATIONS: ("list_reservations", ("from", "to")),
    BLOCKED_TIMES: ("list_blocked_times", ("dateFrom", "dateTo")),
    CALENDARS: ("list_calendars", None),
}


class Found(NamedTuple):
    """The rows that a look-up found, by key, and what their absence would mean."""

    rows: Mapping[str, Row]
    complete: bool
    """Whether a row that is not here is not in Bookio."""
    shows_external_ids: bool
    """Whether the list shows ``externalId`` at all (U), or was empty."""


class Verdict(NamedTuple):
    """What became of an intent."""

    state: str
    """``CONFIRMED``, ``NEVER_HAPPENED`` or, where nobody can tell, ``IN_DOUBT``."""
    row: Row | None = None


class Lookup:
    """Reads whole lists with the anchored scan and keeps the rows that are asked for.

    The date filters are not used to narrow a list down: what they compare is not documented, and a
    row that a filter hid would be booked twice.
    """

    def __init__(
        self, client: BookioClient, facilities: Facilities, executor: Executor, concurrency: int
    ) -> None:
        """Take the client and the threads that fetch pages ahead."""
        self._client = client
        self._facilities = facilities
        self._executor = executor
        self._concurrency = concurrency

    def find(self, stream: str, wanted: Mapping[int | None, Collection[str]]) -> Found:
        """Look for keys by the facility that they name; ``None`` looks in all."""
        rows: dict[str, Row] = {}
        complete, empty, shows = self._reaches(wanted), True, False
        for facility, keys in self._places(wanted):
            pages = self._pages(stream, facility)
            for page in pages.read():
                empty = empty and not page
                for row in map(_with_integers, page):
                    shows = shows or row.get("externalId") is not None
                    for key in _keys(stream, row):
                        if key in keys:
                            rows[key] = _better(rows.get(key), self._at_home(stream, row, facility))
            complete = complete and pages.is_complete()
        return Found(rows, complete, shows or empty)

    def _reaches(self, wanted: Iterable[int | None]) -> bool:
        """Whether the token sees every facility that is asked for."""
        seen = {facility.id for facility in self._facilities.in_scope}
        return None in seen or set(wanted) - {None} <= seen

    def _places(
        self, wanted: Mapping[int | None, Collection[str]]
    ) -> Iterator[tuple[Facility, Collection[str]]]:
        anywhere = wanted.get(None, ())
        for facility in self._facilities.in_scope:
            keys = {*anywhere, *wanted.get(facility.id, ())}
            if facility.id is None:  # the token may not list facilities
                keys = {key for each in wanted.values() for key in each}
            if keys:
                yield facility, keys

    def _pages(self, stream: str, facility: Facility) -> _Pages:
        operation, date_filters = _LISTS[stream]
        query = {"facilityId": facility.id}
        if date_filters is None:
            return _Pages(lambda: iter([self._client.list_page(operation, query).rows]))

        def fetch(offset: int, limit: int, window: Mapping[str, str]) -> Page:
            paging = {"offset": offset, "limit": limit}
            return self._client.list_page(operation, {**query, **paging, **window})

        scan = Scan(fetch, executor=self._executor, concurrency=self._concurrency,
                    date_filters=date_filters)  # fmt: skip
        return _Pages(scan.pages, lambda: scan.verdict.complete)

    def _at_home(self, stream: str, row: Row, facility: Facility) -> Row:
        home = facility.id if row.get("facilityId") is None else row["facilityId"]
        tz = self._facilities.time_zone(home)
        return in_zone({**row, "facilityId": home}, stream, tz)


class _Pages(NamedTuple):
    """A list, page by page; after the last of them, whether that was all."""

    read: Callable[[], Iterator[list[dict[str, Any]]]]
    is_complete: Callable[[], bool] = lambda: True


def settle(
    lookup: Lookup,
    digest: Digest,
    entries: Iterable[Entry],
    is_done: Callable[[Entry, Row | None], bool] = lambda _entry, _row: False,
) -> dict[str, Verdict]:
    """Find out what became of intents of one stream; returns a verdict for each key.

    Absence is believed only of two complete lists, with a pause before each. ``is_done`` may know
    more of an intent than its digests tell.
    """
    verdicts: dict[str, Verdict] = {}
    unclear = {entry.key: entry for entry in entries}
    for look, pause in enumerate(PAUSES):
        if not unclear:
            break
        time.sleep(pause)
        stream = next(iter(unclear.values())).stream
        wanted: dict[int | None, set[str]] = defaultdict(set)
        for entry in unclear.values():
            wanted[entry.facility_id].update(_names(entry))
        found = lookup.find(stream, wanted)
        for entry in list(unclear.values()):
            row = next((found.rows[key] for key in _names(entry) if key in found.rows), None)
            state = _state(entry, row, found, digest)
            if is_done(entry, row):
                state = CONFIRMED
            if state == CONFIRMED or look + 1 == len(PAUSES):
                verdicts[entry.key] = Verdict(state, row)
                del unclear[entry.key]
    return verdicts


def _names(entry: Entry) -> list[str]:
    """Return the keys under which a list may show the row."""
    return ([f"id:{entry.remote_id}"] if entry.remote_id is not None else []) + [entry.key]


def _state(entry: Entry, row: Row | None, found: Found, digest: Digest) -> str:
    """Return what one look-up tells of an intent."""
    if CREATE in entry.intended:
        can_tell = found.shows_external_ids or entry.stream == CALENDARS
        return CONFIRMED if row else NEVER_HAPPENED if found.complete and can_tell else IN_DOUBT
    if REMOVE in entry.intended:
        return NEVER_HAPPENED if row else CONFIRMED if found.complete else IN_DOUBT
    if row is None or not found.complete:
        return IN_DOUBT
    intended = {name: wanted for name, wanted in entry.intended.items() if wanted}
    shown = {name for name in intended if row.get(name) is not None}
    if found.shows_external_ids:
        shown |= intended.keys() & {"externalId"}
    if any(digest(row.get(name)) != intended[name] for name in shown):
        return NEVER_HAPPENED
    return CONFIRMED if shown == intended.keys() else IN_DOUBT


def in_zone(row: Row, stream: str, tz: ZoneInfo) -> Row:
    """Return a listed row with its datetimes written as we write them."""
    names = ("validFrom", "validTo") if stream == CALENDARS else ("dateFrom", "dateTo")
    return {**row, **{name: _wall(row[name], tz) for name in names if row.get(name)}}


def _wall(value: Any, tz: ZoneInfo) -> Any:  # noqa: ANN401 - whatever Bookio sent
    try:
        return to_wall(value, tz)
    except (ValueError, TypeError):
        return value


def _with_integers(row: Row) -> Row:
    """Return a row whose numbers are numbers, whichever way they were sent."""
    texts = {name: row[name] for name in _NUMBERS if isinstance(row.get(name), str | float)}
    numbers = {name: int(text) for name, text in texts.items() if _INTEGER.fullmatch(str(text))}
    return {**row, **numbers} if numbers else row


def _keys(stream: str, row: Row) -> Iterator[str]:
    yield f"id:{row['id']}"
    if row.get("externalId") is not None:
        yield f"externalId:{row['externalId']}"
    if stream == CALENDARS:
        yield f"name:{row.get('facilityId')}:{row.get('name')}"


def _better(one: Row | None, other: Row) -> Row:
    """Of two rows with one ``externalId``, take the one that is not cancelled."""
    return one if one is not None and one.get("status") != "CANCELLED" else other
