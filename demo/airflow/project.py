"""The checkout that the DAGs work in, and the variables of everything that runs there.

It is a folder of links to this one, so that neither the ``.env`` nor the ``.meltano`` of the person
who runs the demo plays a part.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from demo.postgres import USER

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "output" / "airflow"
CHECKOUT = OUTPUT / "checkout"
SHARDS = 8
POOLS = ROOT / "orchestrate/airflow/pools.json"
SLOTS = json.loads(POOLS.read_text())["bookio_api"]["slots"]
REQUESTS_PER_SECOND = 40
"""Slow enough that a shard can be killed in the middle of its run."""
DATABASE = "clinics"

_LINKS = {
    "transform": "transform",
    "requirements": "requirements",
    "orchestrate": "orchestrate",
    ".venv": ".venv",
    ".venv-meltano": ".meltano/cli/venv",
    ".meltano/loaders/target-postgres": ".meltano/loaders/target-postgres",
    ".meltano/utilities/dbt": ".meltano/utilities/dbt",
}
_PREFIXES = ("TAP_", "TARGET_", "MELTANO_", "AIRFLOW", "BOOKIO_", "DBT_", "PG")


class Services(NamedTuple):
    """Where the other programs listen."""

    sandbox: Sandbox
    postgres_port: int


def make_checkout() -> None:
    """Begin with an empty folder."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    for name, of in _LINKS.items():
        link = CHECKOUT / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(ROOT / of)
    shutil.copy(ROOT / "meltano.yml", CHECKOUT)  # Meltano takes no link for it
    (CHECKOUT / ".env").touch()  # or the tap would look for one in the folders above


def variables(services: Services) -> dict[str, str]:
    """Return the whole environment: nothing of the caller's that would configure a part of it."""
    sandbox, port = services
    kept = {name: text for name, text in os.environ.items() if not name.startswith(_PREFIXES)}
    postgres = {"HOST": "127.0.0.1", "PORT": str(port), "USER": USER, "DATABASE": DATABASE}
    return {
        **kept,
        "BOOKIO_HOME": str(CHECKOUT),
        "BOOKIO_SHARDS": str(SHARDS),
        "BOOKIO_REQUESTS_PER_SECOND": str(REQUESTS_PER_SECOND),
        "BOOKIO_SCHEDULE": "",
        "BOOKIO_WRITE_BACK_SCHEDULE": "",
        "TAP_BOOKIO_API_URL": sandbox.url,
        "TAP_BOOKIO_AUTH_TOKEN": sandbox.token,
        "TAP_BOOKIO_DETECT_DELETIONS": "true",
        "TAP_BOOKIO_SCAN_LOG": "true",
        **{f"TARGET_POSTGRES_{name}": text for name, text in postgres.items()},
        "TARGET_POSTGRES_PASSWORD": "none",  # pragma: allowlist secret
        "TARGET_POSTGRES_BATCH_SIZE_ROWS": "200",  # so that some rows are there at the kill
        "MELTANO_DATABASE_URI": f"postgresql+psycopg://{USER}@127.0.0.1:{port}/meltano",
        "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
        "NO_COLOR": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUNBUFFERED": "1",
    }
