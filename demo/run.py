"""Loads a warehouse twice, first everything and then a day's changes; then draws a report.

Starts its own Bookio (bookio-sandbox), has Meltano load it into output/bookio.duckdb, and
compares the tables with the sandbox, row by row. dbt makes marts of both loads. Then it writes back
what a clinic wants, and draws the marts: output/report.html.
The warehouse of meltano.yml's environment prod is another file, which this never touches.
"""

from __future__ import annotations

import signal
import sys
import time
from datetime import UTC, datetime
from io import TextIOWrapper
from typing import TYPE_CHECKING, NamedTuple

import duckdb
from meltano_project import LOG, OUTPUT, DemoError, MeltanoProject, alone
from rich.console import Console
from rich.table import Table
from write_back import write_back

from bookio_sandbox.running import in_process

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox

LEFT = "SELECT blocked_time_id FROM staging.stg_blocked_times"
MOVED = """SELECT count(*) FILTER (moves > 0), count(*) FILTER (cancellations_seen > 0)
FROM marts.reschedules"""
STREAMS = ("facilities", "calendars", "reservations", "blocked_times")
WAREHOUSE = OUTPUT / "bookio.duckdb"
"""As the environment ``demo`` of meltano.yml has it; made from nothing each time."""

if isinstance(sys.stdout, TextIOWrapper):
    sys.stdout.reconfigure(errors="replace")  # a terminal may have no box to draw with
console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)


class Load(NamedTuple):
    """One run of tap-bookio into the warehouse: rows by stream, and seconds."""

    rows: dict[str, int]
    seconds: float
    now: dict[str, int]
    """Rows in the table afterwards."""


def main() -> None:
    """Run the demo; exit 1 with a line that says why if anything differs."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if WAREHOUSE.exists() and not LOG.exists():
        msg = (
            f"{WAREHOUSE} was not made by the demo; move it to warehouse/, which the demo never "
            "touches"
        )
        raise DemoError(msg)
    WAREHOUSE.unlink(missing_ok=True)
    console.print("Installing Meltano, target-duckdb and dbt (slow only the first time) …")
    meltano = MeltanoProject()
    meltano.install("loader", "target-duckdb", "target-duckdb.txt")
    meltano.install("utility", "dbt", "marts.txt")
    console.print("Starting bookio-sandbox, a local imitation of Bookio …")
    with in_process("--size=20000", "--seed=2026") as sandbox:
        meltano.environment |= {
            "TAP_BOOKIO_API_URL": sandbox.url,
            "TAP_BOOKIO_AUTH_TOKEN": sandbox.token,
            "TAP_BOOKIO_DETECT_DELETIONS": "true",
            "TAP_BOOKIO_SCAN_LOG": "true",
        }
        console.print("meltano run tap-bookio target-duckdb: a first load …")
        first = load(meltano)
        compare(sandbox)
        console.print("meltano run dbt:build: marts, and the first version of each reservation …")
        meltano.run("dbt:build")
        console.print("Simulating a day in the clinics …")
        sandbox.advance(days=1)
        console.print("meltano run tap-bookio target-duckdb: only what changed …")
        second = load(meltano)
        removed = compare(sandbox)
        report(first, second)
        console.print("meltano run dbt:build: the marts again, with the changes …")
        meltano.run("dbt:build")
        report_marts(sandbox, removed)
        write_back(sandbox, meltano, WAREHOUSE, console)
        console.print("meltano invoke dbt:report …")
        meltano.invoke("dbt:report")
        console.print("Look at output/report.html: no-shows, utilisation, bookings, lead time.")


def load(meltano: MeltanoProject) -> Load:
    """Run the job and count the rows that it loaded."""
    began, started = datetime.now(UTC), time.monotonic()
    meltano.run("tap-bookio", "target-duckdb")
    seconds = time.monotonic() - started
    counting = "SELECT count(*) FILTER (_sdc_extracted_at >= ?), count(*) FROM {}"
    with duckdb.connect(str(WAREHOUSE), read_only=True) as warehouse:
        warehouse.execute("SET TimeZone = 'UTC'")
        counts = {
            stream: warehouse.execute(counting.format(stream), [began]).fetchall()[0]
            for stream in STREAMS
        }
    rows, now = ({stream: pair[n] for stream, pair in counts.items()} for n in (0, 1))
    return Load(rows, seconds, now)


def compare(sandbox: Sandbox) -> int:
    """End the demo if the warehouse differs from Bookio.

    Returns how many blocked times Bookio has removed, which ``lastSync`` does not report.
    """
    removed = 0
    with duckdb.connect(str(WAREHOUSE), read_only=True) as warehouse:
        for stream in STREAMS:
            fields = ["id", "status", "note"] if stream == "reservations" else ["id"]
            select = f"SELECT {', '.join(fields)} FROM {stream}"
            loaded = set(warehouse.execute(select).fetchall())
            expected = {tuple(row.get(name) for name in fields) for row in sandbox.rows(stream)}
            if stream == "blocked_times":
                removed = len(loaded - expected)
                loaded &= expected
            if loaded != expected:
                sys.exit(
                    f"{stream}: {len(expected - loaded)} of Bookio's {len(expected)} rows are "
                    "missing from the warehouse, or differ there"
                )
    return removed


def report(first: Load, second: Load) -> None:
    """Show what each run loaded."""
    table = Table(title="output/bookio.duckdb, checked against Bookio")
    table.add_column("stream")
    table.add_column("rows loaded", justify="right")
    table.add_column("rows in the second run", justify="right")
    table.add_column("rows in the table", justify="right")
    for stream in STREAMS:
        counts = first.rows[stream], second.rows[stream], second.now[stream]
        table.add_row(stream, *map(str, counts))
    table.add_section()
    table.add_row("seconds", f"{first.seconds:.1f}", f"{second.seconds:.1f}")
    console.print(table)
    console.print(
        "Reservations are read by lastSync, the other streams completely (blocked times because "
        "of detect_deletions)."
    )


def report_marts(sandbox: Sandbox, removed: int) -> None:
    """Show what only the marts know; end the demo if a removed row is still there."""
    with duckdb.connect(str(WAREHOUSE), read_only=True) as warehouse:
        left = {key for (key,) in warehouse.execute(LEFT).fetchall()}
        [(moved, cancelled)] = warehouse.execute(MOVED).fetchall()
    if left != {row["id"] for row in sandbox.rows("blocked_times")}:
        sys.exit("staging.stg_blocked_times does not have the same blocked times as Bookio")
    console.print(
        f"Moved since the first load: {moved}, cancelled: {cancelled} (marts.reschedules). Removed "
        f"in Bookio, still in blocked_times, and gone from staging: {removed}."
    )


if __name__ == "__main__":
    try:
        with alone():
            main()
    except (DemoError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "interrupted")
