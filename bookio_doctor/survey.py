"""Asks Bookio what the assumptions need. A failure is an observation, so nothing is raised."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, TypeVar

from bookio_api.contract import FACILITIES, MAX_PAGE_SIZE, OPERATIONS, RESERVATIONS, RESOURCES, TERM
from bookio_api.overrides import with_overrides
from bookio_api.responses import MIN_CLOCK_MS, parse_http_date
from bookio_api.scan.scan import limit_of
from bookio_doctor.facility_time import day_of, epoch_ms_of, zone_of
from bookio_doctor.observations import LastSync, ListSeen, Paging, Ranges, Survey, TimedRow
from bookio_singer.redaction import place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from zoneinfo import ZoneInfo

    from bookio_api.contract import Operation
    from bookio_doctor.answers import Answer, Row
    from bookio_doctor.probe import Probe

T = TypeVar("T")

OTHER_PATHS = {
    "list_facilities": ("/facilities/by-token", "/facilities"),
    "list_blocked_times": ("/blockedTimes", "/blocks"),
}
"""Where to look for a list that is not where the contract has it, in this order (S, G)."""

IMPOSSIBLE = "NOT_A_STATUS"
MAX_FACILITIES = 3
"""How many facilities to try until a list has rows."""
OWN_TIMES = ("modified", "updated", "lastModified", "changed", "cancelTime", "created")
"""Fields that may say when a row changed (U)."""
DAY_MS = 86_400_000
RECENT_DAYS = (1, 30)
"""Periods in which to look for recently changed rows."""
SAME_MOMENT_MS = 2000
"""Times that differ by no more may be of one event: rows show whole seconds."""
FAR_OFFSET = 10_000_000
"""Beyond the end of any list."""


def survey_lists(probe: Probe, settings: Mapping[str, object]) -> Survey:
    """Find the four lists, with a few requests each, and look no further."""
    overrides: Mapping[str, str] = settings.get("endpoint_overrides") or {}  # type: ignore[assignment]
    page_size = settings.get("page_size")
    limit = limit_of(page_size if isinstance(page_size, int) else MAX_PAGE_SIZE)
    search = _Search(probe, limit)
    lists: dict[str, ListSeen] = {}
    facilities: list[Row] = []
    looked_at: Row | None = None
    configured = with_overrides(overrides)
    for name, resource in RESOURCES.items():
        operation = configured[resource.list_operation]
        seen, facility = search.find(operation, facilities)
        lists[operation.name] = seen
        if name == FACILITIES:
            facilities = seen.rows
            looked_at = next(iter(facilities), None)
        elif name == RESERVATIONS and seen.rows:
            looked_at = facility or looked_at
    return Survey(
        lists=lists,
        overrides=overrides,
        page_size=limit,
        requests_per_second=settings.get("requests_per_second"),  # type: ignore[arg-type]
        facility=looked_at,
        replies=tuple(probe.replies),
        connections=probe.connections,
        ended=probe.ended,
    )


def survey(probe: Probe, settings: Mapping[str, object]) -> Survey:
    """Ask every question for which there is time, and return what was seen."""
    found = survey_lists(probe, settings)
    if not found.reservations.works:
        return found
    looks = _Looks(probe, found)
    looked = replace(
        found,
        impossible=looks.guarded(looks.at_an_invalid_filter, None),
        paging=looks.guarded(looks.at_paging, Paging()),
        ranges=looks.guarded(looks.at_ranges, Ranges()),
        last_sync=looks.guarded(looks.at_last_sync, LastSync()),
    )
    return replace(
        looked,
        replies=tuple(probe.replies),
        connections=probe.connections,
        unanswered=tuple(looks.unanswered),
        ended=probe.ended,
    )


@dataclass(frozen=True)
class _Search:
    """Looks for lists."""

    probe: Probe
    limit: int

    def find(self, operation: Operation, facilities: list[Row]) -> tuple[ListSeen, Row | None]:
        """Return what came of the search, and the facility whose rows were found.

        A list without rows shows little, so a few facilities are tried.
        """
        tried: list[Row | None] = [*facilities[:MAX_FACILITIES]] or [None]
        seen = ListSeen(operation, tuple(self._answers(operation, tried[0])))
        for facility in tried[1:]:
            if seen.rows or not seen.works:
                break
            page = self._ask(seen.answer.operation, facility)
            if page.rows:
                return ListSeen(operation, (page,)), facility
        return seen, tried[0]

    def _answers(self, operation: Operation, facility: Row | None) -> Iterator[Answer]:
        """Ask one path after another, until one leads to a list or is known to be right.

        A method other than GET is never sent, and neither is GET to the path that goes with it.
        """
        contract = OPERATIONS[operation.name].path
        paths = [contract, *OTHER_PATHS.get(operation.name, ())]
        if operation.method == "GET":
            paths = [operation.path, *paths]
        for path in dict.fromkeys(paths):
            answer = self._ask(replace(operation, method="GET", path=path), facility)
            yield answer
            if not answer.may_be_elsewhere:
                return

    def _ask(self, operation: Operation, facility: Row | None) -> Answer:
        query: Row = {"facilityId": facility["id"]} if facility else {}
        if operation.paged:
            query |= {"offset": 0, "limit": self.limit}
        return self.probe.get(operation, query)


class _Looks:
    """Asks for reservations, in the ways whose answers show what holds.

    ``unanswered`` grows with every question that gets no answer; nothing else writes it.
    """

    def __init__(self, probe: Probe, found: Survey) -> None:
        self._probe = probe
        self._found = found
        self.unanswered: dict[str, None] = {}  # a set in order

    def guarded(self, look: Callable[[], T], otherwise: T) -> T:
        """Return what a look saw; an unexpected answer must not end the survey."""
        try:
            return look()
        except Exception as error:  # noqa: BLE001 - any, or the rest of the report is lost
            self.unanswered[f"unexpected {place_of(error)}; please report this line"] = None
            return otherwise

    def at_an_invalid_filter(self) -> Answer:
        """Ask for what worked before, with an invalid status: only that can be refused."""
        return self._ask(status=IMPOSSIBLE)

    def at_paging(self) -> Paging:
        seen = self._found.reservations
        limit, middle = self._found.page_size, len(seen.rows) // 2
        largest = self._ask(limit=MAX_PAGE_SIZE) if limit < MAX_PAGE_SIZE else None
        end = len((largest.rows if largest else None) or seen.rows)
        return Paging(
            largest=largest,
            limit_zero=self._ask(limit=0),
            limit_ten=self._ask(limit=10),
            second_half=self._ask(offset=middle, limit=10) if middle else None,
            middle=middle,
            following=self._ask(offset=end) if end else None,
            beyond_end=self._ask(offset=FAR_OFFSET, limit=10),
            again=self._ask(),
        )

    def at_ranges(self) -> Ranges:
        """Ask for a day that has rows, and around it: what comes shows what filters include."""
        rows = self._found.reservations.rows
        days = Counter(day for row in rows if (day := day_of(row.get(TERM[0]), self._tz)))
        filters = RESOURCES[RESERVATIONS].date_filters
        usual = [day for day in sorted(days) if date.min < day < date.max]
        if not usual or not filters:
            return Ranges()
        day = max(usual, key=days.__getitem__)
        before, after = day - timedelta(days=1), day + timedelta(days=1)

        def between(first: date, last: date) -> Answer:
            return self._ask(**dict(zip(filters, (first, last), strict=True)))

        return Ranges(
            day=day.isoformat(),
            on_day=between(day, day),
            until_day=between(before, day),
            since_day=between(day, after),
            next_day=between(after, after),
        )

    def at_last_sync(self) -> LastSync:
        """Ask around a row's own times, if it has any, so that nothing needs to be written."""
        now_ms = self._now_ms()
        # By any clock, also if the server's is behind; and long ago, but only in milliseconds.
        future_ms = max(now_ms, int(time.time() * 1000)) + DAY_MS
        since_ms = {
            "all": 1,
            "old": MIN_CLOCK_MS,
            "future": future_ms,
            "seconds": future_ms // 1000,
        }
        answers = {name: self._ask(lastSync=since) for name, since in since_ms.items()}
        recent_since_ms = 0
        for days in RECENT_DAYS:  # the fewer rows a response has, the more it shows
            recent_since_ms = now_ms - days * DAY_MS
            answers["recent"] = self._ask(lastSync=recent_since_ms)
            if answers["recent"].rows:
                break
        row = self._timed_row(answers["recent"].rows or [])
        if row is not None:
            around = {"before": -1000, "at": 0, "after": 1000}
            answers |= {k: self._ask(lastSync=row.moment_ms + ms) for k, ms in around.items()}
        return LastSync(
            answers=answers,
            recent_since_ms=recent_since_ms,
            future_ms=future_ms,
            timed_row=row,
        )

    def _now_ms(self) -> int:
        """Return the server's time in epoch ms, or ours if it does not say."""
        dates = (parse_http_date(r.headers.get("Date")) for r in reversed(self._probe.replies))
        return next(filter(None, dates), int(time.time() * 1000))

    @property
    def _tz(self) -> ZoneInfo:
        return zone_of(self._found.facility)

    def _timed_row(self, rows: list[Row]) -> TimedRow | None:
        """Return the row that changed last by its own times; one that was created, otherwise."""
        timed = [moment for row in rows for moment in self._own_times(row)]
        return max(timed, key=lambda row: (row.is_change, row.moment_ms), default=None)

    def _own_times(self, row: Row) -> Iterator[TimedRow]:
        """Yield the times at which a row shows that it was created or changed."""
        now_ms, created = self._now_ms(), epoch_ms_of(row.get("created"), self._tz)
        for name in OWN_TIMES:
            moment = epoch_ms_of(row.get(name), self._tz)
            if moment is not None and 0 < moment <= now_ms:
                is_change = created is not None and moment > created + SAME_MOMENT_MS
                yield TimedRow(row["id"], name, moment, is_change)

    def _ask(self, **query: object) -> Answer:
        facility = (self._found.facility or {}).get("id")
        paged = {"facilityId": facility, "offset": 0, "limit": self._found.page_size}
        answer = self._probe.get(self._found.reservations.answer.operation, {**paged, **query})
        if answer.is_unanswered and (answer.reply or not self._probe.ended):
            self.unanswered[answer.said] = None
        return answer
