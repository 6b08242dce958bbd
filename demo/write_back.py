"""The other way: what a clinic's own system wants goes to Bookio, once."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import duckdb
from meltano_project import OUTPUT, MeltanoError, MeltanoProject
from rich.table import Table

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from bookio_sandbox.running import Sandbox

OWN = OUTPUT / "write-back"
"""Journal, rejects and plan of the demo."""

WANTED = """
CREATE OR REPLACE TABLE wanted_reservations AS
WITH coming AS (
    SELECT * FROM reservations
    WHERE status = 'CONFIRMED' AND datefrom > now()::TIMESTAMP ORDER BY datefrom
)
SELECT id, facilityid AS "facilityId", NULL::BIGINT AS "externalId", NULL::BIGINT AS "serviceId",
       'CANCELLED' AS status, 'Lekár je chorý' AS "cancellationReason", NULL AS "dateFrom",
       NULL AS name, NULL AS surname, NULL AS email, NULL AS phone, NULL AS locale
FROM (SELECT * FROM coming LIMIT 3)
UNION ALL
SELECT NULL, facilityid, 77000000 + row_number() OVER (ORDER BY id), serviceid,
       'CONFIRMED', NULL, '2027-05-0' || (2 + row_number() OVER (ORDER BY id)) || 'T10:00:00',
       'Mária', 'Demová', 'maria.demova@example.org', '+421905123456', 'sk'
FROM (SELECT * FROM coming LIMIT 4);

CREATE OR REPLACE TABLE wanted_blocked_times AS
SELECT 88000000 + i AS "externalId", (SELECT min(id) FROM facilities) AS "facilityId",
       '2027-06-0' || i || 'T12:00:00' AS "dateFrom", '2027-06-0' || i || 'T13:00:00' AS "dateTo",
       'Školenie' AS note
FROM range(1, 3) AS numbers(i);

CREATE OR REPLACE TABLE taken_over AS
SELECT id, facilityid AS "facilityId", 99000000 + id AS "externalId"
FROM reservations WHERE externalid IS NULL ORDER BY id LIMIT 25;
"""
JOBS = ("write-back", "confirm-sync")


def write_back(
    sandbox: Sandbox, meltano: MeltanoProject, warehouse: Path, console: Console
) -> None:
    """Show plan, writing, and that a second run writes nothing."""
    for file in OWN.glob("*"):
        file.unlink()
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(WANTED)
    meltano.environment |= {
        "TARGET_BOOKIO_API_URL": sandbox.url,
        "TARGET_BOOKIO_AUTH_TOKEN": sandbox.token,
        "TARGET_BOOKIO_JOURNAL_PATH": str(OWN / "journal.sqlite3"),
        "TARGET_BOOKIO_REJECTS_PATH": str(OWN / "rejects.jsonl"),
    }
    table = Table(title="Written back to Bookio")
    for heading in ("job", "operation", "planned", "written", "written by a second run"):
        table.add_column(heading, justify="left" if heading in {"job", "operation"} else "right")
    for job in JOBS:
        console.print(f"meltano run {job}: the plan, the writing, and the same once more …")
        planned = plan(meltano, job)
        written = writes(sandbox, meltano, job)
        again = writes(sandbox, meltano, job)
        if written != planned or again:
            msg = f"{job}: planned {dict(planned)}, wrote {dict(written)} and then {dict(again)}"
            raise MeltanoError(msg)
        for operation in sorted(planned):
            counts = (planned[operation], written[operation], again[operation])
            table.add_row(job, operation, *map(str, counts))
    console.print(table)
    emails = Counter(email["kind"] for email in sandbox.emails() if email["reason"])
    console.print(f"{emails['CANCELLED']} patients got an e-mail about their cancellation, once.")


def plan(meltano: MeltanoProject, job: str) -> Counter[str]:
    """Return the operations that a dry run plans."""
    meltano.environment["TARGET_BOOKIO_DRY_RUN"] = "true"
    meltano.run(job)
    del meltano.environment["TARGET_BOOKIO_DRY_RUN"]
    lines = (OWN / "plan.jsonl").read_text().splitlines()
    return Counter(step["operation"] for line in lines for step in json.loads(line)["steps"])


def writes(sandbox: Sandbox, meltano: MeltanoProject, job: str) -> Counter[str]:
    """Run a job and return the writes that Bookio saw."""
    before = len(sandbox.requests())
    meltano.run(job)
    return Counter(r["operation"] for r in sandbox.requests()[before:] if r["method"] != "GET")
