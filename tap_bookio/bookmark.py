"""The bookmark is the time of our request, never a record's.

W is the server's clock (``Date`` header) at the first response of a scan, less a second for its
resolution, in epoch milliseconds. The next run asks ``lastSync = W - max(lookback, duration of
that scan)``. W moves only after a COMPLETE scan, also when it brought no row.

``lastSync`` lists what *changed* since W. A row that earlier questions filtered out and that has
not changed since would never come, so the bookmark keeps the filters beside W, and a question that
asks for more than they did is asked without ``lastSync``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.errors import SettingsError

if TYPE_CHECKING:
    from bookio_api.scan.pages import Page

REPLICATION_KEY = "lastSync"
TOLERATED_SKEW_MS = 60_000
_RESOLUTION_MS = 1000
_EARLIEST_MS = 10**12
"""September 2001: a smaller number would be seconds, not milliseconds."""

_FILTERS = "filters"
State = dict[str, Any]


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
        filters = state.get(_FILTERS)
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

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Bookmark | None:
        """Read it from the state of a partition."""
        value = state.get("replication_key_value")
        if value is None:
            return None
        return cls(value, state.get("scan_ms", 0), Filters.of(state))

    def write(self, state: State) -> None:
        """Write it into a partition's state, in the SDK's format."""
        state["replication_key"] = REPLICATION_KEY
        state["replication_key_value"] = self.question_ms
        state["scan_ms"] = self.scan_ms
        if self.filters is not None:
            state[_FILTERS] = self.filters.state()

    def covered_by(self, asked: Filters) -> Filters:
        """Return the filters that all rows have passed after a scan with these filters.

        ``start_date`` limits no question that has a bookmark, so the first one's stays in force.
        """
        return asked if self.filters is None else replace(asked, start_ms=self.filters.start_ms)

    def last_sync(self, lookback_seconds: float) -> int:
        """Return the ``lastSync`` of the next request."""
        return max(0, self.question_ms - max(int(lookback_seconds * 1000), self.scan_ms))


class Question(NamedTuple):
    """The first request of a scan, whose time becomes the bookmark."""

    last_sync: int | None
    page: Future[Page]
    asked_ms: int
    """Our clock, in case the server sends no ``Date``."""
    started: float
    """Seconds of ``time.monotonic``."""
    filters: Filters = Filters()
    """The filters that all rows read so far have passed, after this scan."""
    bookmark_before: Bookmark | None = None
    """The bookmark that it continues from."""

    @classmethod
    def put(
        cls,
        last_sync: int | None,
        executor: Executor,
        ask: Callable[[], Page],
        *,
        filters: Filters = Filters(),
        bookmark_before: Bookmark | None = None,
    ) -> Question:
        """Send the request on a thread of the executor."""
        asked_ms, started = int(time.time() * 1000), time.monotonic()
        page = executor.submit(ask)
        return cls(last_sync, page, asked_ms, started, filters, bookmark_before)

    @property
    def is_full(self) -> bool:
        """Whether it has no bookmark: a row missed now would never come, or seem deleted."""
        return self.bookmark_before is None

    def moment_ms(self, server_time_ms: int | None) -> int:
        """Return when it was sent, by the server's clock if the response has it, or by ours."""
        return self.asked_ms if server_time_ms is None else server_time_ms

    def seconds(self) -> float:
        """Return how long ago it was sent."""
        return time.monotonic() - self.started

    def bookmark(self, server_time_ms: int | None) -> Bookmark:
        """Return the bookmark of a scan that ends now, with the time of its first response."""
        moment = self.moment_ms(server_time_ms)
        return Bookmark(moment - _RESOLUTION_MS, int(self.seconds() * 1000), self.filters)


def skew_ms(server_time_ms: int | None) -> int:
    """Return by how much the server's clock is ahead of ours."""
    return 0 if server_time_ms is None else server_time_ms - int(time.time() * 1000)


def check_state(state: object, streams: Collection[str]) -> None:
    """Refuse a state that tap-bookio cannot have written with these streams."""
    if not isinstance(state, dict):
        raise _not_ours("it is not a JSON object")
    if state and state.keys() != {"bookmarks"}:
        raise _not_ours("it should contain bookmarks and nothing else")
    bookmarks = state.get("bookmarks", {})
    if not isinstance(bookmarks, dict):
        raise _not_ours("its bookmarks are not an object")
    for stream, entry in bookmarks.items():
        if stream not in streams:
            raise _not_ours(f"it has a bookmark for {stream!r}, which is not one of our streams")
        if not isinstance(entry, dict):
            raise _not_ours(f"the bookmark of {stream} is not an object")
        _check_entry(stream, entry)


def _check_entry(stream: str, entry: State) -> None:
    partitions = entry.get("partitions", [])
    if not isinstance(partitions, list):
        raise _not_ours(f"the partitions of {stream} are not a list")
    seen: set[int] = set()
    for partition in partitions:
        context = partition.get("context") if isinstance(partition, dict) else None
        is_ours = isinstance(context, dict) and context.keys() == {"facilityId"}
        facility: object = context["facilityId"] if context and is_ours else None
        if type(facility) is not int or facility in seen:
            what = f"a partition of {stream} lacks a facilityId, has more than that, or repeats one"
            raise _not_ours(what)
        seen.add(facility)
        _check_value(f"{stream}, facility {facility}", partition)
    _check_value(stream, entry)


def _check_value(where: str, entry: State) -> None:
    if entry.get("replication_key", REPLICATION_KEY) != REPLICATION_KEY:
        raise _not_ours(f"the bookmark of {where} is not {REPLICATION_KEY}")
    value = entry.get("replication_key_value")
    if value is not None and (type(value) is not int or value < _EARLIEST_MS):
        raise _not_ours(f"the bookmark of {where} is not in epoch milliseconds")
    if type(entry.get("scan_ms", 0)) is not int:
        raise _not_ours(f"the scan duration of {where} is not a number")
    if not {type(entry.get(count, 0)) for count in ("rows", "listed")} == {int}:
        raise _not_ours(f"a row count of {where} is not a number")
    if not isinstance(entry.get("progress_markers", {}), dict):
        raise _not_ours(f"the progress markers of {where} are not an object")
    if not _are_filters(entry.get(_FILTERS, {})):
        raise _not_ours(f"the filters of {where} are not as tap-bookio writes them")


def _are_filters(filters: object) -> bool:
    if not isinstance(filters, dict) or not filters.keys() <= set(Filters.__slots__):
        return False
    try:
        for day in ("first_day", "last_day"):
            date.fromisoformat(filters.get(day, "2000-01-01"))
    except (TypeError, ValueError):
        return False
    is_flag = type(filters.get("only_unsynced", True)) is bool
    return is_flag and type(filters.get("start_ms", 0)) is int


def _not_ours(what: str) -> SettingsError:
    return SettingsError(
        f"the state was not written by this version of tap-bookio: {what}; "
        "run once without --state to read everything again"
    )
