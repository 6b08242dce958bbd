"""Measures what PROOF.md states: ``python -m bench.scan_figures`` in the repository's root.

Every trial is drawn from its seed, so the counts are the same on every machine; the times are not.
"""

from __future__ import annotations

import time
from collections import Counter
from itertools import count

from bookio_api.scan import Scan
from bookio_api.scan.pages import Page
from tests.model_list import DATE_FILTERS, DETERMINISTIC, ModelList, ShuffledExecutor, plain_paging

TRIALS = 1000
ROWS, PAGE = 2000, 100
RATES = (0.0, 0.1, 0.43, 1.0, 4.0)
CONCURRENCY = 4
COLUMNS = (
    "changes a request",
    "plain paging missed a resident row",
    "a COMPLETE scan missed one",
    "INCOMPLETE",
    "requests, against plain paging",
)


def model(seed: int, rate: float) -> ModelList:
    """Return a list of a deterministic order, half of them with a total."""
    order = DETERMINISTIC[seed % len(DETERMINISTIC)]
    total = (lambda n: n) if seed % 2 else None
    return ModelList(ROWS, order=order, rate=rate, seed=seed, total=total)


def trial(seed: int, rate: float) -> Counter[str]:
    """Read the same list twice, by plain paging and by a scan, and compare with its residents."""
    plain_server, server = model(seed, rate), model(seed, rate)
    plain = set(plain_paging(plain_server, PAGE))
    executor = ShuffledExecutor(seed)
    scan = Scan(
        server.fetch,
        executor=executor,
        concurrency=CONCURRENCY,
        date_filters=DATE_FILTERS,
        clock=count().__next__,
    )
    scanned = {row["id"] for page in scan.pages() for row in page}
    return Counter(
        plain_missed=not plain >= plain_server.residents.keys(),
        plain_requests=len(plain_server.requests),
        missed=scan.verdict.complete and not scanned >= server.residents.keys(),
        incomplete=not scan.verdict.complete,
        requests=len(server.requests),
    )


def microseconds_a_row(*, fast_path: bool) -> float:
    """Return what the scan itself costs for each row of a calm list.

    An overlap of 5 rows is too short for the fast path of ``joins``.
    """
    rows = [{"id": key, "dateFrom": "2024-05-01T08:00:00", "note": ""} for key in range(100_000)]
    overlap = 10 if fast_path else 5
    scan = Scan(
        lambda offset, limit, _: Page(rows[offset : offset + limit], len(rows)), overlap=overlap
    )
    started = time.process_time()
    read = sum(map(len, scan.pages()))
    return (time.process_time() - started) / read * 1e6


def main() -> None:
    """Print the two tables."""
    print(f"| {' | '.join(COLUMNS)} |")
    print(f"{'|---' * len(COLUMNS)}|")
    for rate in RATES:
        sums: Counter[str] = sum((trial(seed, rate) for seed in range(TRIALS)), Counter())
        ratio = sums["requests"] / sums["plain_requests"]
        print(
            f"| {rate} | {sums['plain_missed']} of {TRIALS} | {sums['missed']} of {TRIALS} "
            f"| {sums['incomplete']} | {ratio:.2f} |"
        )
    fast, slow = (microseconds_a_row(fast_path=each) for each in (True, False))
    print(f"\nThe join costs {fast:.2f} µs a row in a calm list, {slow:.2f} without the fast path.")


if __name__ == "__main__":
    main()
