"""The commands in the docs work: options exist, and marked blocks run."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import duckdb
import pytest
import yaml

from bookio_sandbox.running import in_thread
from tests.cli import BIN, TIMEOUT, run
from tests.doc_pages import ROOT, blocks, commands, script
from tests.loaders import LOADERS, missing

OURS = (
    "tap-bookio",
    "target-bookio",
    "tap-warehouse",
    "bookio-sandbox",
    "bookio-doctor",
    "bookio-shards",
)
COMMANDS = [(block.page, words) for block in blocks("console") for words in commands(block)]
AT_END = "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT"
REJECT = {
    "stream": "blocked_times",
    "key": {"externalId": 502},
    "record": {
        "externalId": 502,
        "facilityId": 8675,
        "dateFrom": "2027-06-02T12:00:00",
        "dateTo": "2027-06-02T13:00:00",
        "note": "Repaired",
    },
}
CHECKED = {"quickstart.md", "backfill.md", "loaders.md", "write-back.md"}
"""Pages with a separate test of their outcome."""
RUN_PAGES = sorted(
    {b.page for b in blocks("console") if b.run and Path(b.page).name not in CHECKED}
)
PROJECT = yaml.safe_load((ROOT / "meltano.yml").read_text())
MELTANO_NAMES = {
    *(plugin["name"] for kind in PROJECT["plugins"].values() for plugin in kind),
    *(job["name"] for job in PROJECT["jobs"]),
}


@cache
def help_of(*command: str) -> str:
    return run(*command, "--help").stdout


def unknown_options(words: list[str]) -> list[str]:
    options = [word.split("=")[0] for word in words[1:] if word.startswith("-")]
    command = Path(words[0]).name
    parts = words[1:2] if command == "bookio-shards" else []
    return [o for o in options if not re.search(rf"{o}\b", help_of(command, *parts))]


@pytest.mark.parametrize("command", OURS)
def test_each_option_in_the_docs_exists(command: str) -> None:
    used = [(page, words) for page, words in COMMANDS if Path(words[0]).name == command]
    assert used
    assert [(page, words) for page, words in used if unknown_options(words)] == []


def test_an_unknown_option_in_the_docs_is_detected() -> None:
    assert unknown_options(["tap-bookio", "--config", "x", "--full"]) == ["--full"]


def test_each_plugin_and_job_in_the_docs_is_in_the_project() -> None:
    named = [
        (page, word.split(":")[0])
        for page, words in COMMANDS
        if Path(words[0]).name == "meltano" and words[1] in {"run", "el", "invoke"}
        for word in words[2:]
        if not word.startswith("-") and word not in {"(", ")"}
    ]
    assert len(named) > 10
    assert [(page, name) for page, name in named if name not in MELTANO_NAMES] == []


def test_each_make_target_in_the_docs_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = {w for _, words in COMMANDS if words[0] == "make" for w in words[1:] if "=" not in w}
    assert used >= {"setup", "docs"}
    assert used - targets == set()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as the how-tos assume it: settings, a warehouse with a record, and a reject."""
    warehouse = tmp_path / "wanted.duckdb"
    with duckdb.connect(warehouse) as database:
        database.execute(
            "CREATE TABLE wanted_blocked_times AS SELECT 501 AS externalid, 8675 AS facilityid, "
            "'2027-06-01T12:00:00' AS datefrom, '2027-06-01T13:00:00' AS dateto, 'Training' AS note"
        )
    queries = {"blocked_times": "SELECT * FROM wanted_blocked_times"}
    warehouse_json = {"filepath": str(warehouse), "queries": queries}
    (tmp_path / "warehouse.json").write_text(json.dumps(warehouse_json))
    (tmp_path / ".bookio").mkdir(mode=0o700)
    (tmp_path / ".bookio/rejects.jsonl").write_text(json.dumps(REJECT) + "\n")
    (tmp_path / ".bookio/rejects.jsonl").chmod(0o600)
    return tmp_path


def run_page(page: str, folder: Path) -> str:
    """Run the marked blocks of a page as one script; return what they print."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    typed = "".join(script(b) for b in blocks("console") if b.page == page and b.run)
    typed = typed.replace("8321", str(port))
    # A reader types more slowly than a server starts; a script has to wait for it.
    wait = f"until (: < /dev/tcp/127.0.0.1/{port}) 2> /dev/null; do sleep 0.1; done\n"
    if "target-duckdb" in typed and not (LOADERS / "target-duckdb/venv").exists():
        missing("target-duckdb")
    typed = re.sub(r" &\n", rf" &\n{wait}", typed)
    path = f"{BIN}:{LOADERS}/target-duckdb/venv/bin:{os.defpath}"
    with in_thread(size=200, clock=datetime.now(UTC)) as sandbox:
        settings = json.dumps({"auth_token": sandbox.token, "api_url": sandbox.url})
        for name in ("config.json", "target.json"):
            (folder / name).write_text(settings)
        done = subprocess.run(
            ["/bin/bash", "-euc", f"{AT_END}\n{typed}"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
            env={"PATH": path, "HOME": str(folder)},
        )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr


def records(path: Path, stream: str) -> list[dict]:
    messages = [json.loads(line) for line in path.read_text().splitlines()]
    return [m["record"] for m in messages if m["type"] == "RECORD" and m["stream"] == stream]


@pytest.mark.parametrize("page", RUN_PAGES)
def test_the_marked_commands_of_a_page_run(page: str, folder: Path) -> None:
    run_page(page, folder)


def test_the_quickstart_reads_twice_and_writes_once(folder: Path) -> None:
    said = run_page("docs/quickstart.md", folder)
    first, second = (
        records(folder / n, "reservations") for n in ("messages.jsonl", "changes.jsonl")
    )
    assert len(first) == 200
    assert len(second) < 20
    written = [line for line in said.splitlines() if line.startswith("target-bookio")]
    assert [re.findall(r"1 (?:created|unchanged)", line) for line in written] == [
        ["1 created"],
        ["1 created"],
        ["1 unchanged"],
    ]


def test_backfill_page_reads_the_documented_rows(folder: Path) -> None:
    run_page("docs/how-to/backfill.md", folder)
    assert {r["facilityId"] for r in records(folder / "facility-8675.jsonl", "reservations")} == {
        8675
    }
    quarter = records(folder / "quarter.jsonl", "reservations")
    assert all("2026-01-01" <= r["dateFrom"][:10] <= "2026-03-31" for r in quarter)


def test_piped_commands_load_a_clinic_and_keep_its_state(folder: Path) -> None:
    run_page("docs/loaders.md", folder)
    state = json.loads((folder / "state.json").read_text())
    assert set(state["bookmarks"]) >= {"reservations", "blocked_times"}


def test_a_repaired_reject_is_replayed(folder: Path) -> None:
    said = run_page("docs/write-back.md", folder)
    assert "1 created" in said
