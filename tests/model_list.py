"""A list in memory that is paged by offset, changes between requests, and may misbehave."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor, Future
from datetime import datetime, timedelta
from typing import Any

from bookio_api.scan import Scan
from bookio_api.scan.pages import Page, Row

EPOCH = datetime(2024, 1, 1)  # noqa: DTZ001 (Bookio's datetimes have no zone)
ORDERS = ("id", "-id", "modified", "-modified", "dateFrom", "dateFrom ties", "random")
DETERMINISTIC = ORDERS[:5]


class ModelList:
    """A server's list: rows, their hidden times of change, and ``rate`` changes a request.

    ``mangle(rows, offset, limit)`` changes what a response holds; ``total(n)`` what it says.
    ``short`` is the part of the pages that are cut anywhere; rows of the ids in ``hidden`` are
    left out only after the page was cut, as a server does that filters too late.
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
            self._insert()
        if since is not None:
            self.since = self.clock * since // 100
        self.residents = {
            key: row for key, row in self.rows.items() if self._is_listed(key) and key not in hidden
        }

    def fetch(self, offset: int, limit: int, window: Mapping[str, str]) -> Page:
        """Answer one request, then let the list change."""
        self.requests.append((offset, limit, dict(window)))
        listed = self._listed(window)
        rows = listed[offset : offset + min(limit, self.page_cap or limit)]
        if self.mangle:
            rows = self.mangle(rows, offset, limit)
        if rows and self.random.random() < self.short:
            rows = rows[: self.random.randint(1, len(rows))]
        if self.hidden:
            rows = [row for row in rows if row["id"] not in self.hidden]
            listed = [row for row in listed if row["id"] not in self.hidden]
        page = Page(list(rows), self.total(len(listed)) if self.total else None)
        changes = int(self.rate) + (self.random.random() < self.rate % 1)
        for _ in range(changes):
            self._change()
        return page

    def _listed(self, window: Mapping[str, str]) -> list[Row]:
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
            self._insert()
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

    def _insert(self) -> None:
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
    """Scan a list to its end; return the ids in the order in which they came, and the scan."""
    scan = Scan(server.fetch, **options)
    return [row["id"] for page in scan.pages() for row in page], scan


def ids(server: ModelList) -> list[int]:
    """Return the ids of all rows that the list holds now."""
    return sorted(server.rows)


class ShuffledExecutor(Executor):
    """Runs what is submitted on the caller's thread, now or when the result is asked for.

    The order of the requests differs from the order of the pages as it does with real threads,
    and is the same for the same seed.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._waiting: list[LateFuture] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Take a call, and run some of those that wait."""
        future = LateFuture(lambda: fn(*args, **kwargs))
        self._waiting.append(future)
        while self._waiting and self._random.random() < 0.6:
            self._waiting.pop(self._random.randrange(len(self._waiting))).run()
        return future


class LateFuture(Future[Any]):
    """A future that runs at the latest when its result is asked for."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self._call = call

    def run(self) -> None:
        """Run the call unless it ran or was cancelled."""
        if not self.done() and self.set_running_or_notify_cancel():
            try:
                self.set_result(self._call())
            except Exception as error:  # noqa: BLE001 (the future hands it over)
                self.set_exception(error)

    def result(self, timeout: float | None = None) -> Any:
        """Return the result, running the call first if need be."""
        self.run()
        return super().result(timeout)
