"""Counts what a write costs in requests, by the rows in Bookio: ``python bench/lookups.py``.

Each size is a new sandbox and a new journal. The counts are those of the sandbox's request log, so
they are the same on every machine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from run import BIN, connection

from bookio_sandbox.running import Sandbox, in_process

SIZES = (1_000, 10_000, 50_000, 200_000)
TEN = 10


def booking(number: int, facility: int, service: int) -> dict[str, Any]:
    """Return a new reservation; each is another patient at another time."""
    return {
        "externalId": 9_000_000 + number,
        "facilityId": facility,
        "serviceId": service,
        "name": "Jana",
        "surname": f"Nováková{number}",
        "email": f"jana{number}@example.org",
        "phone": f"+4219051{number:05}",
        "locale": "sk",
        "dateFrom": f"2031-12-{1 + number // 9:02}T{8 + number % 9:02}:00:00",
    }


def requests_for(sandbox: Sandbox, folder: Path, records: list[dict[str, Any]]) -> str:
    """Write records, and return how many reads and writes that took."""
    settings = {
        "journal_path": str(folder / "journal.sqlite3"),
        "rejects_path": str(folder / "rejects.jsonl"),
    }
    config, stream = folder / "config.json", folder / "records.jsonl"
    config.write_text(
        json.dumps({**connection(sandbox.url), "auth_token": sandbox.token, **settings})
    )
    schema = {"type": "SCHEMA", "stream": "reservations", "schema": {"properties": {}}}
    messages: list[dict[str, Any]] = [{**schema, "key_properties": []}]
    messages += [{"type": "RECORD", "stream": "reservations", "record": each} for each in records]
    stream.write_text("".join(json.dumps(message) + "\n" for message in messages))
    before = len(sandbox.requests())
    command = [BIN / "target-bookio", "--config", config, "--input", stream]
    subprocess.run(command, check=True, capture_output=True)
    made = sandbox.requests()[before:]
    writes = sum(request["method"] != "GET" for request in made)
    return f"{len(made) - writes:,} + {writes}"


def row_of_table(size: int) -> str:
    """Return the requests of some runs, one after the other, against a clinic of a size."""
    options = ("--size", str(size), "--no-capacity-check")
    with in_process(*options) as sandbox, tempfile.TemporaryDirectory() as name:
        facility = sandbox.rows("facilities")[0]["id"]
        calendar = next(c for c in sandbox.rows("calendars") if c["facilityId"] == facility)
        service = calendar["services"][0]["id"]
        new = [booking(number, facility, service) for number in range(2 + TEN)]
        runs = ([new[0]], [new[0]], [new[1]], new[2:])
        cells = [requests_for(sandbox, Path(name), records) for records in runs]
    return f"| {size:,} | {' | '.join(cells)} |"


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=SIZES)
    print("| rows in Bookio | first run, one new | the same again | one new | ten new |")
    print("| --- | --- | --- | --- | --- |")
    for size in parser.parse_args().sizes:
        print(row_of_table(size), flush=True)


if __name__ == "__main__":
    main()
