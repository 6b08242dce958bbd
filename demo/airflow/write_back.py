"""The other way, in shards: one blocked time for each facility, by the journal of its shard."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

from demo.airflow.project import CHECKOUT, DATABASE
from demo.postgres import USER, query

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookio_sandbox.running import Sandbox
    from demo.airflow.airflow import Airflow

DAG = "bookio_write_back"
WANTED = """
CREATE TABLE bookio.wanted_blocked_times AS
SELECT id AS "externalId", id AS "facilityId", '2027-06-01T12:00:00' AS "dateFrom",
       '2027-06-01T13:00:00' AS "dateTo", 'Training' AS note
FROM bookio.facilities
"""


class WriteBackError(Exception):
    """A facility was written by no shard, or by more than one."""


def write_back(
    airflow: Airflow, sandbox: Sandbox, port: int, shards: Mapping[str, list[int]], run_id: str
) -> str:
    """Run the DAG and return an account, once it is sure that each shard wrote its own rows."""
    query(port, WANTED, DATABASE)
    files = {
        "warehouse": {
            "database_url": f"postgresql://{USER}@127.0.0.1:{port}/{DATABASE}",
            "queries": {"blocked_times": "SELECT * FROM bookio.wanted_blocked_times"},
        },
        "target": {"api_url": sandbox.url, "auth_token": sandbox.token},
    }
    for name, settings in files.items():
        (CHECKOUT / f"{name}.json").write_text(json.dumps(settings))
    airflow.trigger(DAG, run_id)
    while (state := airflow.state(DAG, run_id)) not in {"success", "failed"}:
        time.sleep(0.5)
    wanted = Counter(key for ids in shards.values() for key in ids)
    rows = sandbox.rows("blocked_times")
    written = Counter(row["facilityId"] for row in rows if row["externalId"] in wanted)
    journals = {shard: _facilities_in(shard) for shard in shards}
    if state != "success" or written != wanted or journals != {s: {*i} for s, i in shards.items()}:
        msg = f"{DAG} ended with {state}; {written.total()} of {wanted.total()} rows were written"
        raise WriteBackError(msg)
    return (
        f"{written.total()} blocked times written, one for each facility, by {len(journals)} "
        "journals, none of which knows a facility of another"
    )


def _facilities_in(shard: str) -> set[int]:
    """Return the facilities whose rows the journal of a shard has."""
    journal = CHECKOUT / ".bookio" / shard / "journal.sqlite3"
    if not journal.exists():
        return set()
    with closing(sqlite3.connect(journal)) as database:
        rows = database.execute("SELECT DISTINCT facility_id FROM entries").fetchall()
    return {facility for (facility,) in rows}
