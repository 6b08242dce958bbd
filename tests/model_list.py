"""A list in memory that is paged by offset, changes between requests, and may misbehave."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from tap_bookio.pages import Page, Row

EPOCH = datetime(2024, 1, 1)  # noqa: DTZ001 (Bookio's datetimes have no zone)
ORDERS = ("id", "-id", "modified", "-modified", "dateFrom", "dateFrom ties", "random")
DETERMINISTIC = ORDERS[:5]


class ModelList:
    """A server's list: rows with a hidden modification time, an order, and ``rate`` changes a request.

    ``mangle(rows, offset, limit)`` changes what a response holds; ``total(n)`` what it says.
    """

    def __init__(  # noqa: PLR0913
        self,
        size: int,
        *,
        order: str = "id",
        rate: float = 0,
        seed: int = 0,
        days: int = 500,
        page_cap: int | None = None,
        total: Callable[[int], Any] | None = lambda n: n,
        to_inclusive: bool = True,
        since: int | None = None,
        since_strict: bool = False,
        mangle: Callable[[list[Row], int, int], list[Row]] | None = None,
    ) -> None:
        self.random = random.Random(seed)
        self.order, self.rate, self.page_cap = order, rate, page_cap
        self.total, self.to_inclusive, self.mangle, self.days = total, to_inclusive, mangle, days
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
        self.residents = {key: row for key, row in self.rows.items() if self._is_listed(key)}

    def fetch(self, offset: int, limit: int, window: Mapping[str, str]) -> Page:
        """Answer one request, then let the list change."""
        self.requests.append((offset, limit, dict(window)))
        listed = self._listed(window)
        rows = listed[offset : offset + min(limit, self.page_cap or limit)]
        if self.mangle:
            rows = self.mangle(rows, offset, limit)
        page = Page(list(rows), self.total(len(listed)) if self.total else None)
        changes = int(self.rate) + (self.random.random() < self.rate % 1)
        for _ in range(changes):
            self._change()
        return page

    def _listed(self, window: Mapping[str, str]) -> list[Row]:
        lower = window.get("from", "")
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
        kind = self.random.choice(("insert", "delete", "update", "move"))
        if kind == "insert" or not self.rows:
            self._insert()
            return
        key = self.random.choice(list(self.rows))
        self.residents.pop(key, None)
        if kind == "delete":
            del self.rows[key]
            return
        row = dict(self.rows[key], note=f"changed {self.clock}")
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
