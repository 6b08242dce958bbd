"""A server's list in memory: paged by offset, changing, and misbehaving on request."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor, Future
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from bookio_api.scan import Scan
from bookio_api.scan.pages import Page, Row

DATE_FILTERS = ("from", "to")
"""The filters that the list takes, and by which a scan may read it."""
EPOCH = datetime(2024, 1, 1)  # noqa: DTZ001 (Bookio's datetimes have no zone)
ORDERS = ("id", "-id", "modified", "-modified", "dateFrom", "dateFrom ties", "random")
DETERMINISTIC = ORDERS[:5]


class ModelList:
    """A server's list: rows, their hidden modification times, and ``rate`` changes a request.

    ``mangle(rows, offset, limit)`` replaces the rows of a response, ``total(n)`` its total.
    ``short`` is the fraction of pages that are cut anywhere. The ids in ``hidden`` are left out
    after paging, as by a server that filters too late. ``residents`` are the rows that have not
    changed since the start, ``ever`` has all versions of every row, ``requests`` what was asked.
    """

    def __init__(
        self,
        size: int,
        *,
        order: str = "id",
        rate: float = 0,
        seed: int = 0,
        days: int = 500,
        page_cap: int | None = None,
        total: Callable[[int], Any] | None = lambda n: n,
        from_inclusive: bool = True,
        to_inclusive: bool = True,
        since: int | None = None,
        since_strict: bool = False,
        kinds: tuple[str, ...] = ("insert", "delete", "update", "move"),
        mangle: Callable[[list[Row], int, int], list[Row]] | None = None,
        short: float = 0,
        hidden: Collection[int] = (),
    ) -> None:
        self.random = random.Random(seed)
        self.order, self.rate, self.page_cap, self.kinds = order, rate, page_cap, kinds
        self.total, self.mangle, self.days = total, mangle, days
        self.short, self.hidden = short, hidden
        self.from_inclusive, self.to_inclusive = from_inclusive, to_inclusive
        self.since, self.since_strict = since, since_strict
        self.clock = self.next_id = 0
        self.rows: dict[int, Row] = {}
        self.modified: dict[int, int] = {}
        self.requests: list[tuple[int, int, dict[str, str]]] = []
        self.ever: dict[int, list[Row]] = {}
        for _ in range(size):
            self.insert()
        if since is not None:
            self.since = self.clock * since // 100
        self.residents = {
            key: row for key, row in self.rows.items() if self._is_listed(key) and key not in hidden
        }

    def fetch(self, offset: int, limit: int, window: Mapping[str, str]) -> Page:
        """Answer one request, then let the list change."""
        self.requests.append((offset, limit, dict(window)))
        listed = self.listed(window)
        rows = listed[offset : offset + min(limit, self.page_cap or limit)]
        if self.mangle:
            rows = self.mangle(rows, offset, limit)
        if rows and self.random.random() < self.short:
            rows = rows[: self.random.randint(1, len(rows))]
        if self.hidden:
            rows = [row for row in rows if row["id"] not in self.hidden]
            listed = [row for row in listed if row["id"] not in self.hidden]
        body = json.dumps(rows)
        page = Page(
            json.loads(body),
            self.total(len(listed)) if self.total else None,
            reread=partial(json.loads, body),
        )
        changes = int(self.rate) + (self.random.random() < self.rate % 1)
        for _ in range(changes):
            self._change()
        return page

    def listed(self, window: Mapping[str, str]) -> list[Row]:
        """Return the whole list within a window, in the server's order."""
        lower = window.get("from", "")
        lower += "~" if lower and not self.from_inclusive else ""
        upper = window.get("to", "9999") + ("~" if self.to_inclusive else "")
        rows = [
            row
            for key, row in self.rows.items()
            if self._is_listed(key) and lower <= row["dateFrom"] < upper
        ]
        name = self.order.removeprefix("-")
        if name == "random":
            self.random.shuffle(rows)
        elif name == "modified":
            rows.sort(key=lambda row: (self.modified[row["id"]], row["id"]))
        elif name == "dateFrom":
            rows.sort(key=lambda row: (row["dateFrom"], row["id"]))
        elif name == "dateFrom ties":
            rows.sort(key=lambda row: (row["dateFrom"], self.random.random()))
        else:
            rows.sort(key=lambda row: row["id"])
        return rows[::-1] if self.order.startswith("-") else rows

    def _is_listed(self, key: int) -> bool:
        if self.since is None:
            return True
        modified = self.modified[key]
        return modified > self.since or (modified == self.since and not self.since_strict)

    def _change(self) -> None:
        kind = self.random.choice(self.kinds)
        if kind == "insert" or not self.rows:
            self.insert()
            return
        key = self.random.choice(list(self.rows))
        self.residents.pop(key, None)
        if kind == "delete":
            del self.rows[key]
            return
        row = dict(self.rows[key])
        if kind != "touch":  # a touch changes nothing but the hidden modification time
            row["note"] = f"changed {self.clock}"
        if kind == "move":
            row["dateFrom"] = self._date()
        self._put(key, row)

    def insert(self) -> None:
        """Add a row with a new id and a random date."""
        self.next_id += self.random.randint(1, 3)
        self._put(self.next_id, {"id": self.next_id, "dateFrom": self._date(), "note": ""})

    def _put(self, key: int, row: Row) -> None:
        self.clock += 1
        self.rows[key] = row
        self.modified[key] = self.clock
        self.ever.setdefault(key, []).append(row)

    def _date(self) -> str:
        hours = self.random.randrange(self.days * 8)
        moment = EPOCH + timedelta(days=hours // 8, hours=8 + hours % 8)
        return moment.isoformat()


def read(server: ModelList, **options: Any) -> tuple[list[int], Scan]:
    """Scan a list to its end; return the ids in the order of their arrival, and the scan."""
    scan = Scan(server.fetch, **{"date_filters": DATE_FILTERS, **options})
    return [row["id"] for page in scan.pages() for row in page], scan


def plain_paging(server: ModelList, page_size: int) -> list[int]:
    """Return the ids that plain paging reads: page after page until a short one."""
    got: list[int] = []
    for _ in range(100):
        rows = server.fetch(len(got), page_size, {}).rows
        got += [row["id"] for row in rows]
        if len(rows) < page_size:
            break
    return got


def ids(server: ModelList) -> list[int]:
    """Return the ids of all rows that the list holds now."""
    return sorted(server.rows)


class ShuffledExecutor(Executor):
    """Runs what is submitted on the caller's thread, at once or when its result is needed.

    So requests reach the server in another order than the pages are taken, as with real threads,
    but in the same order for the same seed.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._waiting: list[LateFuture] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue a call, and run some of those in the queue."""
        future = LateFuture(lambda: fn(*args, **kwargs))
        self._waiting.append(future)
        while self._waiting and self._random.random() < 0.6:
            self._waiting.pop(self._random.randrange(len(self._waiting))).run()
        return future


class LateFuture(Future[Any]):
    """A future that runs when its result is needed, or before."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self._call = call

    def run(self) -> None:
        """Run the call unless it ran or was cancelled."""
        if not self.done() and self.set_running_or_notify_cancel():
            try:
                self.set_result(self._call())
            except Exception as error:  # noqa: BLE001 (the future re-raises it)
                self.set_exception(error)

    def result(self, timeout: float | None = None) -> Any:
        """Return the result, running the call first if need be."""
        self.run()
        return super().result(timeout)
