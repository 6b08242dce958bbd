"""Loads a sandbox into a real PostgreSQL, twice, and writes what is seen into docs/loaders.md.

It needs what the tests need: Meltano, the loaders, dbt (``make loaders``) and Debian's PostgreSQL.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from bookio_sandbox.running import in_thread
from demo.postgres import USER, postgres_server
from tests.loaders import DBT, LOADERS, MELTANO, ROOT

PAGE = ROOT / "docs/loaders.md"
LOAD = "meltano run tap-bookio target-postgres 2>&1 | grep -o 'Run completed'"
COUNTS = """psql -c "
  SELECT 'reservations' AS table, count(*) AS rows, count(_sdc_deleted_at) AS removed
  FROM bookio.reservations
  UNION ALL SELECT 'blocked_times', count(*), count(_sdc_deleted_at) FROM bookio.blocked_times
  UNION ALL SELECT 'scans', count(*), 0 FROM bookio.scans\""""
FIRST_DAY = [
    LOAD,
    COUNTS,
    """psql -c "
  SELECT column_name, data_type FROM information_schema.columns
  WHERE table_schema = 'bookio' AND table_name = 'reservations'
    AND column_name IN ('id', 'dateFrom', 'duration', 'service', 'note')\"""",
    """psql -c '
  SELECT id, "dateFrom" AS utc,
         "dateFrom" AT TIME ZONE $$UTC$$ AT TIME ZONE $$Europe/Bratislava$$ AS local
  FROM bookio.reservations ORDER BY id LIMIT 2'""",
]
NEXT_DAY = [
    LOAD,
    COUNTS,
    "DBT_TARGET=postgres meltano invoke dbt:build 2>&1 | grep -o 'Done. PASS.*'",
    """psql -c "
  SELECT lead_time, sum(expected) AS expected, sum(no_shows) AS no_shows,
         round(100.0 * sum(no_shows) / sum(expected), 1) AS percent
  FROM marts.no_show GROUP BY lead_time ORDER BY percent\"""",
]


def main() -> None:
    """Replace the transcript on the page."""
    a_day_ago = datetime.now(UTC) - timedelta(days=1)
    with (
        in_thread(size=600, clock=a_day_ago) as sandbox,
        postgres_server() as port,
        tempfile.TemporaryDirectory() as folder,
    ):
        make_project(Path(folder))
        environment = {
            "PATH": f"{MELTANO.parent}:{os.defpath}",
            "HOME": folder,
            "TAP_BOOKIO_API_URL": sandbox.url,
            "TAP_BOOKIO_AUTH_TOKEN": sandbox.token,
            "TAP_BOOKIO_DETECT_DELETIONS": "true",
            "TAP_BOOKIO_SCAN_LOG": "true",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(port),
            "PGUSER": USER,
            "TARGET_POSTGRES_HOST": "127.0.0.1",
            "TARGET_POSTGRES_PORT": str(port),
            "TARGET_POSTGRES_USER": USER,
            "TARGET_POSTGRES_PASSWORD": "none",  # pragma: allowlist secret
            "TARGET_POSTGRES_DATABASE": "postgres",
        }
        first = typed(FIRST_DAY, Path(folder), environment)
        sandbox.advance(days=1)
        second = typed(NEXT_DAY, Path(folder), environment)
    text = f"```text\n{first}```\n\nA day later:\n\n```text\n{second}```\n"
    marks = r"(<!-- transcript -->\n).*?(<!-- /transcript -->)"
    page = re.sub(marks, lambda m: m[1] + text + m[2], PAGE.read_text(), flags=re.DOTALL)
    PAGE.write_text(page)


def make_project(folder: Path) -> None:
    """Make a copy of the Meltano project whose programs are the installed ones."""
    programs = {
        "target-postgres": LOADERS / "target-postgres/venv/bin/target-postgres",
        "dbt": DBT / "dbt",
    }
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    for plugin in [p for kind in project["plugins"].values() for p in kind]:
        plugin.pop("pip_url", None)
        if plugin["name"] in programs:
            plugin["executable"] = str(programs[plugin["name"]])
    (folder / "meltano.yml").write_text(yaml.safe_dump(project, sort_keys=False))
    (folder / "transform").symlink_to(ROOT / "transform")
    (folder / ".venv").mkdir()
    (folder / ".venv/bin").symlink_to(Path(sys.executable).parent)


def typed(commands: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Return the commands with what each printed."""
    lines = []
    for command in commands:
        done = subprocess.run(
            ["/bin/bash", "-c", command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            sys.exit(f"{command}: {done.stdout}{done.stderr}")
        printed = [line.rstrip() for line in done.stdout.rstrip().splitlines()]
        lines += [f"$ {command}", *printed, ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
