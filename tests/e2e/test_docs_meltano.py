"""The Meltano commands and queries of the how-tos, run in order, do what the pages say."""

from __future__ import annotations

import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import psycopg
import pytest
import yaml

from bookio_sandbox.running import in_thread
from demo.postgres import WITH_PASSWORD
from tests.cli import BIN
from tests.doc_pages import ROOT, blocks, commands
from tests.loaders import LOADERS, MELTANO, SCHEMA, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_sandbox.running import Sandbox

pytestmark = pytest.mark.slow
DUCKDB = LOADERS / "target-duckdb/venv/bin/target-duckdb"
POSTGRES = LOADERS / "target-postgres/venv/bin/target-postgres"


class Reader:
    """Runs what a page shows, in a project with a sandbox."""

    def __init__(self, sandbox: Sandbox, project: Path) -> None:
        self.sandbox = sandbox
        self.warehouse = project / "warehouse/bookio.duckdb"
        self.project = project
        self._environment = {
            "PATH": f"{MELTANO.parent}:{os.defpath}",
            "HOME": str(project),
            "NEW": sandbox.token,
            "OLD": "the token before",
        }
        for plugin in ("TAP", "TARGET"):
            self._environment |= {
                f"{plugin}_BOOKIO_AUTH_TOKEN": sandbox.token,
                f"{plugin}_BOOKIO_API_URL": sandbox.url,
            }

    def shell(self, command: str) -> str:
        done = subprocess.run(
            ["/bin/bash", "-c", command],
            cwd=self.project,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"{command}: {said[-3000:]}"
        return said

    def follow(self, page: str) -> None:
        """Type the commands of a page that call Meltano, and its queries."""
        found = [b for kind in ("console", "sql") for b in blocks(kind) if b.page == page]
        text = (ROOT / page).read_text()
        for block in sorted(found, key=lambda b: text.index(b.body.splitlines()[0])):
            if block.kind == "sql":
                with duckdb.connect(self.warehouse) as database:
                    database.execute(block.body)
            else:
                for line in re.findall(r"^\$ (.*\bmeltano .*)$", block.body, re.MULTILINE):
                    self.shell(line)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    for program in (MELTANO, DUCKDB, POSTGRES):
        if not program.exists():
            missing(program.name)
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    for plugin in [p for kind in project["plugins"].values() for p in kind]:
        plugin.pop("pip_url", None)  # nothing needs to be installed
        for loader in (DUCKDB, POSTGRES):
            if plugin["name"] == loader.name:
                plugin["executable"] = str(loader)
    (tmp_path / "meltano.yml").write_text(yaml.safe_dump(project, sort_keys=False))
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/bin").symlink_to(BIN)
    (tmp_path / "warehouse").mkdir()
    with in_thread(size=100, clock=datetime.now(UTC)) as sandbox:
        yield Reader(sandbox, tmp_path)


def test_each_option_of_meltano_exists() -> None:
    if not MELTANO.exists():
        missing("Meltano")
    used = {
        (*words[1 : 3 if words[1] == "state" else 2], word.split("=")[0])
        for block in blocks("console")
        for words in commands(block)
        if Path(words[0]).name == "meltano"
        for word in words[2:]
        if word.startswith("-")
    }
    assert ("el", "--state-id") in used
    for command in {tuple(command) for *command, _ in used}:
        shown = subprocess.check_output([MELTANO, *command, "--help"], text=True)
        assert [o for *c, o in used if tuple(c) == command and o not in shown] == [], command


def test_backfill_and_confirm_sync_commands_work(reader: Reader) -> None:
    """The rows that were read are confirmed with our numbers; nothing else is written."""
    reader.follow("docs/how-to/backfill.md")
    reader.follow("docs/how-to/confirm-sync.md")
    with duckdb.connect(reader.warehouse) as database:
        [(loaded,)] = database.execute("SELECT count(*) FROM reservations").fetchall()
        wanted = database.execute("SELECT id, externalid FROM taken_over").fetchall()
    assert loaded == 100
    numbers = {row["id"]: row["externalId"] for row in reader.sandbox.rows("reservations")}
    assert wanted
    assert [row for row in wanted if numbers[row[0]] != row[1]] == []
    writes = {r["operation"] for r in reader.sandbox.requests() if r["method"] != "GET"}
    assert writes == {"confirm_sync"}


def test_write_back_and_token_renewal_commands_work(reader: Reader) -> None:
    """The first example blocks one hour, once, even if run again with a new token."""
    reader.shell("meltano run tap-bookio target-duckdb")
    # The page begins with a dry run, so its tables have to be there first.
    [tables] = [b for b in blocks("sql") if b.page == "docs/write-back.md"]
    with duckdb.connect(reader.warehouse) as database:
        database.execute(tables.body)
    for line in write_back_commands(POSTGRES.name, named=False):
        reader.shell(line)
    reader.follow("docs/how-to/rotate-token.md")
    writes = [r["operation"] for r in reader.sandbox.requests() if r["method"] != "GET"]
    assert writes == ["create_blocked_time"]


def test_write_back_from_postgresql_works(reader: Reader, postgres_port: int) -> None:
    """The same tables in PostgreSQL block the same hour, with the address and password of .env."""
    [tables] = [b for b in blocks("sql") if b.page == "docs/write-back.md"]
    where = f"{WITH_PASSWORD}@127.0.0.1:{postgres_port}/postgres?options=-csearch_path%3D{SCHEMA}"
    password = "of the clinic"  # pragma: allowlist secret
    (reader.project / ".env").write_text(
        f"TAP_WAREHOUSE_DATABASE_URL=postgresql://{where}\nPGPASSWORD='{password}'\n"
        f"TARGET_POSTGRES_HOST=127.0.0.1\nTARGET_POSTGRES_PORT={postgres_port}\n"
        f"TARGET_POSTGRES_USER={WITH_PASSWORD}\nTARGET_POSTGRES_PASSWORD='{password}'\n"
        "TARGET_POSTGRES_DATABASE=postgres\n"
    )
    with psycopg.connect(f"host=127.0.0.1 port={postgres_port} user=postgres") as database:
        database.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        database.execute(f"ALTER ROLE {WITH_PASSWORD} PASSWORD '{password}'")
    load, *send = write_back_commands(POSTGRES.name, named=True)
    reader.shell(load)
    with psycopg.connect(f"postgresql://{where}", password=password) as database:
        database.execute(tables.body.encode())
    for command in send:
        reader.shell(command)
    writes = [r["operation"] for r in reader.sandbox.requests() if r["method"] != "GET"]
    assert writes == ["create_blocked_time"]


def write_back_commands(name: str, *, named: bool) -> list[str]:
    """Return the ``meltano run`` of the page's blocks that name something, or of the others."""
    return [
        line
        for block in blocks("console")
        if block.page == "docs/write-back.md" and (name in block.body) is named
        for line in re.findall(r"^\$ (.*\bmeltano run.*)$", block.body, re.MULTILINE)
    ]
