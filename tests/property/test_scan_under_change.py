"""Thousands of scans of lists that change between requests: no resident row may be missed.

``BOOKIO_SEED`` is the first seed and ``BOOKIO_SCANS`` the number of scans. A failure names its
seed: ``BOOKIO_SEED=<seed> BOOKIO_SCANS=1`` repeats that scan alone.
"""

from __future__ import annotations

import os
import random
from collections import Counter, defaultdict
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from bookio_api.scan import Scan
from tests.model_list import (
    DATE_FILTERS,
    DETERMINISTIC,
    ORDERS,
    ModelList,
    ShuffledExecutor,
    plain_paging,
)

if TYPE_CHECKING:
    from collections.abc import Collection

SEED = int(os.environ.get("BOOKIO_SEED", "1"))
SCANS = int(os.environ.get("BOOKIO_SCANS", "500"))
EDGE_SIZES = (0, 1, 2, 3, 5, 12, 37, 99, 100, 101, 150, 300)


class Scenario(NamedTuple):
    """One server and one reader, drawn from a seed."""

    server: ModelList
    page_size: int
    concurrency: int

    @classmethod
    def draw(cls, seed: int) -> Scenario:
        draw = random.Random(seed)
        touches = ("touch",) if draw.random() < 0.2 else ()
        page_size = draw.choice((100, 100, 100, draw.randint(4, 100)))
        page_cap = draw.choice((None, None, None, draw.randint(4, 99)))
        size = draw.randint(0, 30 * min(page_size, page_cap or 100))
        server = ModelList(
            draw.choice((size, *EDGE_SIZES)) if draw.random() < 0.5 else size,
            order=draw.choice(ORDERS),
            rate=draw.choice((0, 0.1, 0.43, 1, 2, 4)),
            seed=seed,
            page_cap=page_cap,
            total=draw.choice((None, lambda n: n)),
            to_inclusive=draw.choice((True, False)),
            since=draw.choice((None, None, 0, 50, 90)),
            since_strict=draw.choice((True, False)),
            kinds=("insert", "delete", "update", "move", *touches),
            **draw.choice(
                (
                    {},
                    {},
                    {"short": draw.choice((0.1, 0.3))},
                    {"hidden": hidden_ids(draw, 2 * size, min(page_size, page_cap or 100))},
                )
            ),
        )
        return cls(server, page_size, draw.randint(0, 8))

    def scan(self, seed: int) -> Scan:
        """Return a scan of the server that is the same whenever it runs.

        A clock that ticks at every reading makes the server look slow, so that as many pages are
        fetched ahead as allowed, and not as many as this machine happens to be fast.
        """
        return Scan(
            self.server.fetch,
            page_size=self.page_size,
            executor=ShuffledExecutor(seed) if self.concurrency else None,
            concurrency=self.concurrency,
            date_filters=DATE_FILTERS,
            clock=count().__next__,
        )

    @property
    def is_broken(self) -> bool:
        """Whether pages in mid-list lack rows, so that a scan may find no end that it can prove."""
        return bool(self.server.short or self.server.hidden)

    @property
    def page(self) -> int:
        """Rows of a full page."""
        return min(self.page_size, self.server.page_cap or 100)

    def __str__(self) -> str:
        server = self.server
        return (
            f"{server.order}, {server.rate} changes a request, total {bool(server.total)}, "
            f"pages of {self.page}, {self.concurrency} in flight, short {server.short}, "
            f"hidden {len(server.hidden)}"
        )


def hidden_ids(draw: random.Random, most: int, page: int) -> Collection[int]:
    """Return ids that a server leaves out after it has cut the page: one in five, or a run."""
    first = draw.randint(0, most)
    if draw.random() < 0.5:
        return set(draw.sample(range(most + 1), most // 5))
    return range(first, first + page)  # ids have gaps: about half a page


def test_no_resident_row_is_missed_and_none_is_invented():
    """A COMPLETE scan has every resident row, and only true versions; a calm one each once."""
    print(f"BOOKIO_SEED={SEED} BOOKIO_SCANS={SCANS}")
    orders: dict[str, Counter[str]] = defaultdict(Counter)
    failures = []
    for seed in range(SEED, SEED + SCANS):
        scenario = Scenario.draw(seed)
        server, scan = scenario.server, scenario.scan(seed)
        rows = [row for page in scan.pages() for row in page]
        ids = Counter(row["id"] for row in rows)
        missed = server.residents.keys() - ids.keys() if scan.verdict.complete else set()
        invented = [row for row in rows if row not in server.ever.get(row["id"], ())]
        by_date = any(window for _, _, window in server.requests)
        calm = not server.rate and server.order in DETERMINISTIC
        repeated = calm and not scenario.is_broken and len(rows) > len(ids)
        if missed or invented or repeated:
            failures.append(
                f"seed {seed} ({scenario}): missed {len(missed)}, invented {len(invented)}, "
                f"repeated {repeated}"
            )
        figures = orders["broken" if scenario.is_broken else server.order]
        figures["scans"] += 1
        figures["incomplete"] += not scan.verdict.complete
        figures["by date"] += by_date
        figures["requests"] += len(server.requests)
        figures["plain"] += max(1, -(-len(ids) // scenario.page))
    for order, figures in orders.items():
        ratio = figures["requests"] / figures["plain"]
        print(f"{order:14} {dict(figures)} requests against plain paging: {ratio:.2f}")
    assert not failures, "\n".join(failures)
    if SCANS >= 500:  # few scans are INCOMPLETE where the order is deterministic, more where not
        deterministic = sum((orders[order] for order in DETERMINISTIC), Counter())
        shuffled = orders["random"] + orders["dateFrom ties"]
        assert deterministic["incomplete"] <= 0.02 * deterministic["scans"]
        assert shuffled["incomplete"] <= 0.1 * shuffled["scans"]


def test_a_seed_repeats_its_scan():
    """A failure can be repeated: the same seed makes the same requests and emits the same rows."""
    for seed in range(SEED, SEED + 20):
        runs = []
        for _ in range(2):
            scenario = Scenario.draw(seed)
            scan = scenario.scan(seed)
            runs.append((list(scan.pages()), scan.verdict, scenario.server.requests))
        assert runs[0] == runs[1], f"seed {seed}"


def test_plain_paging_misses_resident_rows():
    """The negative control: the harness detects a loss."""
    failed = Counter()
    for seed in range(SEED, SEED + 200):
        scenario = Scenario.draw(seed)
        if scenario.server.rate >= 0.43 and len(scenario.server.residents) > 2 * scenario.page:
            got = plain_paging(scenario.server, scenario.page)
            failed[bool(scenario.server.residents.keys() - set(got))] += 1
    print(f"plain paging missed rows in {failed[True]} of {failed.total()} scans")
    assert failed[True] > failed.total() // 4
