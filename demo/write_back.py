"""The other direction: writes what a clinic's own system wants to Bookio, once."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import duckdb
from meltano_project import OUTPUT, DemoError, MeltanoProject
from rich.table import Table

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from bookio_sandbox.running import Sandbox

OWN = OUTPUT / "write-back"
"""Journal, rejects and plan of the demo."""

WANTED = """
SET TimeZone = 'UTC';  -- the loader keeps UTC

CREATE OR REPLACE TABLE wanted_reservations AS
WITH coming AS (
    SELECT *, row_number() OVER (ORDER BY datefrom, id)::INTEGER AS n FROM reservations
    WHERE status = 'CONFIRMED' AND datefrom > now()::TIMESTAMP + INTERVAL 2 DAY
)
SELECT id, facilityid, NULL::BIGINT AS externalid, NULL::BIGINT AS serviceid,
       'CANCELLED' AS status, 'Lekár je chorý' AS cancellationreason, NULL AS datefrom,
       NULL AS name, NULL AS surname, NULL AS email, NULL AS phone, NULL AS locale
FROM coming WHERE n <= 3
UNION ALL
SELECT NULL, facilityid, 77000000 + n, serviceid,
       'CONFIRMED', NULL, (current_date + 180 + n) || 'T10:00:00',
       'Mária', 'Demová', 'maria.demova@example.org', '+421905123456', 'sk'
FROM coming WHERE n <= 4;

CREATE OR REPLACE TABLE wanted_blocked_times AS
SELECT 88000000 + n AS externalid, (SELECT min(id) FROM facilities) AS facilityid,
       (current_date + 200 + n) || 'T12:00:00' AS datefrom,
       (current_date + 200 + n) || 'T13:00:00' AS dateto, 'Školenie' AS note
FROM (VALUES (1), (2)) AS numbers(n);

CREATE OR REPLACE TABLE taken_over AS
SELECT id, facilityid, 99000000 + id AS externalid
FROM reservations WHERE externalid IS NULL ORDER BY id LIMIT 25;
"""
SHOWN = """
(SELECT 'reservations', 'id', id, 'status' FROM wanted_reservations WHERE id > 0 ORDER BY id)
UNION ALL (SELECT 'reservations', 'externalId', min(externalid), 'status' FROM wanted_reservations)
UNION ALL (SELECT 'blocked_times', 'externalId', min(externalid), 'dateFrom'
           FROM wanted_blocked_times)
UNION ALL (SELECT 'reservations', 'id', min(id), 'externalId' FROM taken_over)
"""
"""Some of the rows, to show before and after: stream, key, and the field that changes."""
JOBS = ("write-back", "confirm-sync")


def write_back(
    sandbox: Sandbox, meltano: MeltanoProject, warehouse: Path, console: Console
) -> None:
    """Show the plan, the writes, and that a second run writes nothing."""
    for file in OWN.glob("*"):
        file.unlink()
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(WANTED)
        keys = connection.execute(SHOWN).fetchall()
    meltano.environment |= {
        "TARGET_BOOKIO_API_URL": sandbox.url,
        "TARGET_BOOKIO_AUTH_TOKEN": sandbox.token,
        "TARGET_BOOKIO_JOURNAL_PATH": str(OWN / "journal.sqlite3"),
        "TARGET_BOOKIO_REJECTS_PATH": str(OWN / "rejects.jsonl"),
    }
    before = [state(sandbox, *key) for key in keys]
    table = Table(title="Written back to Bookio")
    for heading in ("job", "operation", "planned", "written", "written by a second run"):
        table.add_column(heading, justify="left" if heading in {"job", "operation"} else "right")
    for job in JOBS:
        console.print(f"meltano run {job}: plan, write, and repeat …")
        planned = plan(meltano, job)
        written = writes(sandbox, meltano, job)
        again = writes(sandbox, meltano, job)
        if written != planned or again:
            msg = f"{job}: planned {dict(planned)}, wrote {dict(written)} and then {dict(again)}"
            raise DemoError(msg)
        for operation in sorted(planned):
            counts = (planned[operation], written[operation], again[operation])
            table.add_row(job, operation, *map(str, counts))
    console.print(table)
    rows = Table("row", "before", "after", title="Some of these rows in Bookio")
    for key, was in zip(keys, before, strict=True):
        rows.add_row("{}, {} {}".format(*key), was, state(sandbox, *key))
    console.print(rows)
    emails = Counter(email["kind"] for email in sandbox.emails() if email["reason"])
    console.print(f"{emails['CANCELLED']} patients got an e-mail about their cancellation, once.")


def state(sandbox: Sandbox, stream: str, key: str, number: int, field: str) -> str:
    """Return the current value of a field in Bookio."""
    found = [row for row in sandbox.rows(stream) if row.get(key) == number]
    return f"{field}: {found[0].get(field)}" if found else "not there"


def plan(meltano: MeltanoProject, job: str) -> Counter[str]:
    """Return the operations that a dry run plans."""
    meltano.environment["TARGET_BOOKIO_DRY_RUN"] = "true"
    meltano.run(job)
    del meltano.environment["TARGET_BOOKIO_DRY_RUN"]
    lines = (OWN / "plan.jsonl").read_text(encoding="utf-8").splitlines()
    return Counter(step["operation"] for line in lines for step in json.loads(line)["steps"])


def writes(sandbox: Sandbox, meltano: MeltanoProject, job: str) -> Counter[str]:
    """Run a job and return the writes that Bookio saw."""
    before = len(sandbox.requests())
    meltano.run(job)
    return Counter(r["operation"] for r in sandbox.requests()[before:] if r["method"] != "GET")
