"""Asks Bookio what the assumptions need, and keeps the responses for ``judgements``."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.contract import MAX_PAGE_SIZE, OPERATIONS, RESOURCES
from bookio_api.decoding import is_html
from bookio_api.errors import Code, SettingsError
from bookio_api.localtime import DEFAULT_TIMEZONE, to_epoch_ms, zone
from bookio_api.overrides import with_overrides
from bookio_doctor.probe import UnansweredError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bookio_doctor.probe import Probe, Reply

CANDIDATES = {
    "list_facilities": ("/facilities/cgm", "/facilities/by-token", "/facilities"),
    "list_blocked_times": ("/blocked-times", "/blockedTimes", "/blocks"),
    "list_calendars": ("/calendars",),
    "list_reservations": ("/reservations",),
}
"""Paths to try for a list that is not found, in this order (S, G)."""

IMPOSSIBLE = "NOT_A_STATUS"
MAX_FACILITIES = 3
"""How many facilities to try until a list has rows."""
OWN_TIMES = ("modified", "updated", "lastModified", "changed", "cancelTime", "created")
"""Fields that may say when a row changed (U)."""
DAY_MS = 86_400_000
RECENT_DAYS = (1, 30)
"""Periods in which to look for recently changed rows."""

Row = dict[str, Any]


class TimedRow(NamedTuple):
    """A row that shows when it changed."""

    id: str
    field: str
    moment_ms: int


@dataclass
class ListSeen:
    """The responses of one list operation."""

    operation: str
    path: str | None = None
    """The path that answered; ``None`` if none did."""
    tried: list[tuple[str, str]] = field(default_factory=list)
    """Each path that was tried, with its result in a few words."""
    is_forbidden: bool = False
    is_token_refused: bool = False
    reply: Reply | None = None
    rows: list[Row] = field(default_factory=list)
    rows_key: str = ""
    total: object = None

    @property
    def works(self) -> bool:
        """Whether the list can be read."""
        return self.path is not None

    @property
    def is_path_unknown(self) -> bool:
        """Whether the server knows no such path, as far as its last response tells (U)."""
        if self.reply is None or self.reply.document is None:
            return True
        code, status = self.reply.code, self.reply.status
        return code == Code.UNKNOWN_PATH or (code is None and status in {404, 405})

    def rows_in(self, reply: Reply) -> list[Row] | None:
        """Return the rows of a response, ``None`` if it is not a list."""
        listed = list_rows(self.operation, reply) if reply.is_success else None
        return listed[1] if listed else None

    def note(self, path: str, reply: Reply) -> None:
        """Record the response of a path."""
        listed = list_rows(self.operation, reply) if reply.is_success else None
        self.tried.append((path, "a list" if listed is not None else _refusal(reply)))
        self.reply = reply
        self.is_forbidden = Code.FORBIDDEN in {reply.code, reply.status}
        self.is_token_refused = reply.code == Code.BAD_TOKEN or reply.status == 401  # noqa: PLR2004
        if listed is not None:
            self.path, (self.rows_key, self.rows) = path, listed
            self.total = _pagination(reply).get("total")


class Survey:
    """What was seen of one Bookio. `take` sends the requests; nothing changes it afterwards."""

    def __init__(self, probe: Probe, overrides: Mapping[str, str]) -> None:
        """Start empty. ``overrides`` is the setting ``endpoint_overrides``."""
        self._probe = probe
        self._operations = with_overrides(overrides)
        self.lists = {r.list_operation: ListSeen(r.list_operation) for r in RESOURCES.values()}
        self.facility: Row | None = None
        """The facility whose lists were looked at; ``None`` if the token may not list them."""
        self.impossible: Reply | None = None
        """The response to an invalid filter value."""
        self.limit_zero: Reply | None = None
        self.limit_ten: Reply | None = None
        self.beyond_end: Reply | None = None
        self.second_reading: list[Row] | None = None
        self.day = ""
        """The day that the date filters were asked for."""
        self.on_day: list[Row] | None = None
        """Reservations with ``from`` and ``to`` on that day."""
        self.until_day: list[Row] | None = None
        """Reservations with ``to`` on that day, and ``from`` the day before."""
        self.syncs: dict[str, list[Row]] = {}
        """Rows by request: all, future, seconds, recent, before, at, after."""
        self.recent_since_ms = 0
        """The ``lastSync`` of the request ``recent``."""
        self.timed_row: TimedRow | None = None
        """The row whose own time was used as ``lastSync``."""
        self.unanswered = ""
        """Why the survey ended early; empty if it did not."""

    def take(self, *, quick: bool = False) -> None:
        """Send all requests; a quick survey only asks which lists respond.

        A failure is an observation, so nothing is raised for it.
        """
        try:
            self._find_lists()
            if not quick and self.reservations.works:
                self._look_at_errors()
                self._look_at_paging()
                self._look_at_ranges()
                self._look_at_last_sync()
        except UnansweredError as error:
            self.unanswered = str(error)

    @property
    def reservations(self) -> ListSeen:
        """The list that most requests are about."""
        return self.lists["list_reservations"]

    @property
    def replies(self) -> Sequence[Reply]:
        """Every response, in the order of the requests."""
        return self._probe.replies

    def rows(self, operation: str) -> list[Row]:
        """Return the rows of a list that came with its first page."""
        return self.lists[operation].rows

    def _find_lists(self) -> None:
        for operation, seen in self.lists.items():
            for facility in self._facilities_to_ask(operation):
                self._find_list(seen, facility)
                if seen.rows or not seen.works:
                    break
            if operation == "list_facilities" and seen.rows:
                self.facility = seen.rows[0]
            elif operation == "list_reservations" and seen.rows:
                self.facility = facility or self.facility

    def _facilities_to_ask(self, operation: str) -> list[Row | None]:
        facilities = self.rows("list_facilities")
        if operation == "list_facilities" or not facilities:
            return [None]
        return list(facilities[:MAX_FACILITIES])

    def _find_list(self, seen: ListSeen, facility: Row | None) -> None:
        """Ask the path of the setting or the contract first, then the other candidates."""
        configured = self._operations[seen.operation]
        paths = [configured.path, OPERATIONS[seen.operation].path, *CANDIDATES[seen.operation]]
        if seen.path is not None:  # found already, for another facility
            paths = [seen.path]
        query: Row = {"facilityId": facility.get("id")} if facility else {}
        if OPERATIONS[seen.operation].paged:
            query |= {"offset": 0, "limit": MAX_PAGE_SIZE}
        for path in dict.fromkeys(paths):
            seen.note(path, self._probe.send(configured.method, path, query=query))
            if seen.works or not seen.is_path_unknown:
                return

    def _look_at_errors(self) -> None:
        """Ask for what worked before, with an invalid status: only that can be refused."""
        self.impossible = self._ask(status=IMPOSSIBLE, offset=0, limit=MAX_PAGE_SIZE)

    def _look_at_paging(self) -> None:
        self.limit_zero = self._ask(offset=0, limit=0)
        self.limit_ten = self._ask(offset=0, limit=10)
        self.beyond_end = self._ask(offset=10_000_000, limit=10)
        self.second_reading = self._rows(offset=0, limit=MAX_PAGE_SIZE)

    def _look_at_ranges(self) -> None:
        """Ask for a day that has rows: which ones come shows what from and to include."""
        days = [str(row.get("dateFrom", ""))[:10] for row in self.reservations.rows]
        days = [day for day in days if re.fullmatch(r"\d{4}-\d{2}-\d{2}", day)]
        if not days:
            return
        self.day = max(sorted(set(days)), key=days.count)
        before = (datetime.fromisoformat(self.day) - timedelta(days=1)).date().isoformat()
        self.on_day = self._rows(**{"from": self.day, "to": self.day})
        self.until_day = self._rows(**{"from": before, "to": self.day})

    def _look_at_last_sync(self) -> None:
        """Ask around a row's own times, if it has any, so that nothing needs to be written."""
        now_ms = self._now_ms()
        questions = {"all": 1, "future": now_ms + DAY_MS, "seconds": (now_ms + DAY_MS) // 1000}
        self._ask_since(questions)
        for days in RECENT_DAYS:  # the fewer rows a response has, the more it shows
            self.recent_since_ms = now_ms - days * DAY_MS
            self._ask_since({"recent": self.recent_since_ms})
            if self.syncs.get("recent"):
                break
        self.timed_row = self._timed_row()
        if self.timed_row is not None:
            moment = self.timed_row.moment_ms
            self._ask_since({"before": moment - 1000, "at": moment, "after": moment + 1000})

    def _ask_since(self, questions: Mapping[str, int]) -> None:
        for name, since_ms in questions.items():
            rows = self._rows(lastSync=since_ms)
            if rows is not None:
                self.syncs[name] = rows

    def _now_ms(self) -> int:
        """Return the server's time in epoch ms, or ours if it does not say."""
        for reply in reversed(self.replies):
            with suppress(KeyError, ValueError):
                return int(parsedate_to_datetime(reply.headers["Date"]).timestamp() * 1000)
        return int(time.time() * 1000)

    def _timed_row(self) -> TimedRow | None:
        """Return the recently changed row whose own times are the latest."""
        timed = [
            TimedRow(str(row.get("id")), name, moment)
            for row in self.syncs.get("recent", [])
            for name, moment in self._own_times(row)
        ]
        return max(timed, key=lambda row: row.moment_ms, default=None)

    def _own_times(self, row: Row) -> Iterator[tuple[str, int]]:
        """Yield the times in epoch ms at which a row shows that it changed."""
        try:
            tz = zone(str((self.facility or {}).get("timeZone") or DEFAULT_TIMEZONE))
        except SettingsError:
            tz = zone(DEFAULT_TIMEZONE)
        for name in OWN_TIMES:
            with suppress(ValueError):
                moment = to_epoch_ms(str(row.get(name)), tz)
                if 0 < moment <= self._now_ms():
                    yield name, moment

    def _ask(self, **query: object) -> Reply:
        facility = (self.facility or {}).get("id")
        return self._probe.get(self.reservations.path or "", facilityId=facility, **query)

    def _rows(self, **query: object) -> list[Row] | None:
        """Return the reservations in a response, ``None`` if it has no list."""
        return self.reservations.rows_in(
            self._ask(**{"offset": 0, "limit": MAX_PAGE_SIZE, **query})
        )


def list_rows(operation: str, reply: Reply) -> tuple[str, list[Row]] | None:
    """Return the key and the rows of a list, ``None`` if there is no such list."""
    data = reply.result.get("data")
    expected = OPERATIONS[operation].rows or ""
    if isinstance(data, list):
        data = {"": data}
    if not isinstance(data, dict):
        return None
    lists = {name: value for name, value in data.items() if isinstance(value, list)}
    name = expected if expected in lists else next(iter(lists), None)
    if name is None or not all(isinstance(row, dict) for row in lists[name]):
        return None
    return name, lists[name]


def _pagination(reply: Reply) -> Row:
    data = reply.result.get("data")
    found = data.get("pagination") if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def _refusal(reply: Reply) -> str:
    code = f", code {reply.code}" if reply.code is not None else ""
    if reply.document is None:
        kind = "HTML" if is_html(reply.content) else "no JSON"
        return f"HTTP {reply.status}, {kind}"
    return f"HTTP {reply.status}{code}"
