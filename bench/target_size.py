"""Measures target-bookio with much data: ``python bench/target_size.py``, some minutes.

1. 200,000 new reservations in one stream, then the same once more: time, memory, STATE messages.
2. One new reservation with a million rows mirrored: the same of a whole run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

from bookings import write_stream
from run import BIN, connection, server

from target_bookio.journal.account import Account
from target_bookio.journal.database import Database
from target_bookio.journal.store import Journal
from target_bookio.refresh.mirror import Feed, ListedNumber, Mirror, Seen

BATCH = 20_000
IN_FLIGHT = 32


def run_target(folder: Path, url: str, records: int) -> str:
    """Write so many reservations, and return the cells of a row of the table."""
    settings = {
        "max_concurrency": IN_FLIGHT,
        "journal_path": str(folder / "journal.sqlite3"),
        "rejects_path": str(folder / "rejects.jsonl"),
    }
    config, output = folder / "config.json", folder / "states"
    config.write_text(json.dumps({**connection(url), **settings}))
    stream = write_stream(folder / "bookings.jsonl", records)
    command = [BIN / "target-bookio", "--config", config, "--input", stream]
    started = time.monotonic()
    with output.open("w") as states:
        process = subprocess.Popen(command, stdout=states, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    if process.returncode:
        raise SystemExit(f"{command} exited {process.returncode}")
    at = [0, *(json.loads(line)["at"] for line in output.read_text().splitlines())]
    widest = max((after - before for before, after in pairwise(at)), default=0)
    cpu = usage.ru_utime + usage.ru_stime
    return f"{seconds:.1f} | {cpu:.1f} | {usage.ru_maxrss / 1024:.0f} | {widest:,}"


def fill_mirror(folder: Path, url: str, rows: int) -> None:
    """Make a journal whose mirror has so many rows, as after a full scan a minute ago."""
    journal = Journal(Database(folder / "journal.sqlite3", Account(url, "T")))
    mirror = Mirror(journal)
    now = int(time.time() * 1000)
    for key in range(1, rows + 1):
        row = {
            "id": key,
            "externalId": 10_000_000 + key,
            "facilityId": 1,
            "serviceId": 1 + key % 5,
            "dateFrom": f"2026-{1 + key % 12:02}-{1 + key % 28:02}T{8 + key % 9:02}:15:00",
            "dateTo": f"2026-{1 + key % 12:02}-{1 + key % 28:02}T{8 + key % 9:02}:30:00",
            "status": "CONFIRMED",
            "fixed": dict.fromkeys(("name", "surname", "email", "phone"), f"{key:016x}"),
        }
        mirror.put("reservations", Seen(row, key, key, now, ListedNumber.SHOWN))
        if key % BATCH == 0:
            mirror.load("reservations", [])  # which forgets what is too much for memory
            journal.commit()
    mirror.put_feed("reservations", 1, Feed(now - 60_000, now - 60_000, rows))
    journal.commit()
    journal.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    print("| | seconds | CPU seconds | MiB at most | records between two STATE at most |")
    print("| --- | --- | --- | --- | --- |")
    with server(0, 0, "--keep") as url, tempfile.TemporaryDirectory() as name:
        for what in ("all new", "the same again"):
            cells = run_target(Path(name), url, options.records)
            print(f"| {options.records:,} records, {what} | {cells} |", flush=True)
    with server(0, 0) as url, tempfile.TemporaryDirectory() as name:
        # Elsewhere, for our own memory would count as that of the next child.
        filling = get_context("spawn").Process(
            target=fill_mirror, args=(Path(name), url, options.rows)
        )
        filling.start()
        filling.join()
        cells = run_target(Path(name), url, 1)
        print(f"| 1 record, {options.rows:,} rows mirrored | {cells} |", flush=True)


if __name__ == "__main__":
    main()
