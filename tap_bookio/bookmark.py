"""The bookmark is the time of our question, never a record's.

W is the server's clock (``Date`` header) at the first response of a scan, less a second for its
resolution, in epoch milliseconds. The next run asks ``lastSync = W - max(lookback, duration of
that scan)``. W moves only after a COMPLETE scan, also when it brought no row.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.errors import SettingsError

if TYPE_CHECKING:
    from bookio_api.scan.pages import Page

REPLICATION_KEY = "lastSync"
TOLERATED_SKEW_MS = 60_000
_RESOLUTION_MS = 1000
_EARLIEST_MS = 10**12
"""September 2001: a smaller number would be seconds, not milliseconds."""

State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bookmark:
    """One facility's bookmark; both numbers are milliseconds."""

    question_ms: int
    scan_ms: int = 0

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Bookmark | None:
        """Read it from the state of a partition."""
        value = state.get("replication_key_value")
        return None if value is None else cls(value, state.get("scan_ms", 0))

    def write(self, state: State) -> None:
        """Put it into the state of a partition, in the terms of the SDK."""
        state["replication_key"] = REPLICATION_KEY
        state["replication_key_value"] = self.question_ms
        state["scan_ms"] = self.scan_ms

    def last_sync(self, lookback_seconds: float) -> int:
        """Return the ``lastSync`` of the next question."""
        return max(0, self.question_ms - max(int(lookback_seconds * 1000), self.scan_ms))


class Question(NamedTuple):
    """The first request of a scan, whose time becomes the bookmark."""

    last_sync: int | None
    page: Future[Page]
    asked_ms: int
    """Our clock, for a server that sends no ``Date``."""
    started: float
    """Seconds of ``time.monotonic``."""
    anew: bool = True
    """No bookmark is behind it: a row missed now never comes, or seems to be deleted."""

    @classmethod
    def put(
        cls,
        last_sync: int | None,
        executor: Executor,
        ask: Callable[[], Page],
        *,
        anew: bool = True,
    ) -> Question:
        """Ask on a thread of the executor."""
        asked_ms, started = int(time.time() * 1000), time.monotonic()
        return cls(last_sync, executor.submit(ask), asked_ms, started, anew)

    def bookmark(self, server_time_ms: int | None) -> Bookmark:
        """Return the bookmark of a scan that ends now and whose first answer bore this time."""
        moment = self.asked_ms if server_time_ms is None else server_time_ms
        scan_ms = int((time.monotonic() - self.started) * 1000)
        return Bookmark(moment - _RESOLUTION_MS, scan_ms)


def skew_ms(server_time_ms: int | None) -> int:
    """Return by how much the server's clock is ahead of ours."""
    return 0 if server_time_ms is None else server_time_ms - int(time.time() * 1000)


def check_state(state: object, streams: Collection[str]) -> None:
    """Refuse a state that this tap, with these streams, cannot have written, with one line."""
    if not isinstance(state, dict):
        raise _broken("it is no object")
    if state and state.keys() != {"bookmarks"}:
        raise _broken("it should hold bookmarks and nothing else")
    bookmarks = state.get("bookmarks", {})
    if not isinstance(bookmarks, dict):
        raise _broken("its bookmarks are no object")
    for stream, entry in bookmarks.items():
        if stream not in streams:
            raise _broken(f"it has a bookmark for {stream!r}, a stream that tap-bookio has not")
        if not isinstance(entry, dict):
            raise _broken(f"the bookmark of {stream} is no object")
        _check_entry(stream, entry)


def _check_entry(stream: str, entry: State) -> None:
    partitions = entry.get("partitions", [])
    if not isinstance(partitions, list):
        raise _broken(f"the partitions of {stream} are no list")
    seen: set[int] = set()
    for partition in partitions:
        context = partition.get("context") if isinstance(partition, dict) else None
        is_ours = isinstance(context, dict) and context.keys() == {"facilityId"}
        facility: object = context["facilityId"] if context and is_ours else None
        if type(facility) is not int or facility in seen:
            raise _broken(f"a partition of {stream} names no facilityId alone, or one twice")
        seen.add(facility)
        _check_value(f"{stream}, facility {facility}", partition)
    _check_value(stream, entry)


def _check_value(where: str, entry: State) -> None:
    if entry.get("replication_key", REPLICATION_KEY) != REPLICATION_KEY:
        raise _broken(f"the bookmark of {where} is not {REPLICATION_KEY}")
    value = entry.get("replication_key_value")
    if value is not None and (type(value) is not int or value < _EARLIEST_MS):
        raise _broken(f"the bookmark of {where} is not in epoch milliseconds")
    if type(entry.get("scan_ms", 0)) is not int:
        raise _broken(f"the scan duration of {where} is no number")
    if type(entry.get("rows", 0)) is not int:
        raise _broken(f"the row count of {where} is no number")
    if not isinstance(entry.get("progress_markers", {}), dict):
        raise _broken(f"the progress markers of {where} are no object")


def _broken(what: str) -> SettingsError:
    msg = f"the state was not written by this version of tap-bookio: {what}; "
    return SettingsError(msg + "run once without --state to read everything again")
