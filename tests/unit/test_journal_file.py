"""The journal's file: durability, access, and errors."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from target_bookio.journal import account
from target_bookio.journal.account import Account
from target_bookio.journal.database import MAX_WAL_BYTES, Database
from target_bookio.journal.faults import sqlite_fault
from target_bookio.journal.schema import SCHEMA_VERSION
from target_bookio.private_files import FileError

ACCOUNT = Account("https://bookio.example.org", "token")
RENEWED = Account(ACCOUNT.api_url, "new token", ACCOUNT.auth_token)
BEFORE_VERSIONS = Path(__file__).parents[1] / "data" / "journal-before-versions.sqlite3"
"""Made by ``Journal`` of commit a8afed9, for api_url https://bookio.example.org, ``old token``."""
OF_OLD = Account("https://bookio.example.org", "old token")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own" / "journal.sqlite3"


@pytest.fixture
def old_path(tmp_path: Path) -> Path:
    """Return a copy of a journal that was written before there were versions."""
    folder = tmp_path / "own"
    folder.mkdir()
    return Path(shutil.copy(BEFORE_VERSIONS, folder / "journal.sqlite3"))


@pytest.fixture
def killed(path: Path) -> Path:
    """Return a journal whose process was killed, with ten notes committed and one not."""
    with subprocess.Popen([sys.executable, Path(__file__).parents[1] / "killed_writer.py", path],
                          stdout=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdout.readline() == b"committed\n"
        process.kill()
    return path


def notes(database: Database) -> list[str]:
    return [value for (value,) in database.execute("SELECT value FROM notes")]


def wal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def test_a_commit_survives_a_kill_and_nothing_else_does(killed: Path) -> None:
    """After kill -9 committed data is there, and uncommitted data is not."""
    database = Database(killed, ACCOUNT)
    assert notes(database) == [f"note {n}" for n in range(10)]
    database.close()


def test_a_dry_run_leaves_no_trace(path: Path) -> None:
    """Without keep, a commit reaches nothing but the process."""
    Database(path, ACCOUNT).close()
    database = Database(path, ACCOUNT, keep=False)
    database.execute("CREATE TABLE notes (value)")
    database.execute("INSERT INTO notes VALUES ('planned')")
    database.commit()
    assert notes(database) == ["planned"]
    database.close()
    again = Database(path, ACCOUNT)
    assert again.execute("SELECT * FROM sqlite_master WHERE name = 'notes'") == []
    again.close()


def test_the_file_is_its_owners_only(path: Path) -> None:
    database = Database(path, ACCOUNT)
    for file in (path, wal(path)):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    database.close()


def test_a_new_journal_is_announced_once_with_its_path(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    Database(path, ACCOUNT, keep=False).close()
    path.unlink()
    Database(path, ACCOUNT).close()
    Database(path, ACCOUNT).close()
    assert [record.message for record in caplog.records] == [
        f"new journal at {path}; keep it between runs"
    ]


def test_a_second_process_is_refused_until_the_first_ends(path: Path) -> None:
    first = Database(path, ACCOUNT)
    with pytest.raises(FileError, match="used by another process; wait"):
        Database(path, ACCOUNT, lock_timeout_s=0.1)
    first.close()
    Database(path, ACCOUNT).close()


# --- Files that are not a journal, or cannot be used


def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE notes (text)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(FileError, match="not a target-bookio journal"):
        Database(path, ACCOUNT)
    assert path.read_bytes() == before


def test_a_text_file_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("my notes, which are longer than a header" * 20)
    with pytest.raises(FileError, match="not a target-bookio journal"):
        Database(path, ACCOUNT)
    assert path.read_text().startswith("my notes")


def test_a_newer_format_is_refused(path: Path) -> None:
    Database(path, ACCOUNT).close()
    with sqlite3.connect(path) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    newer.close()
    with pytest.raises(FileError, match="update target-bookio"):
        Database(path, ACCOUNT)


def test_a_damaged_file_is_named_and_no_other_file_suggested(path: Path) -> None:
    """A page of zeros is reported as damage, whichever statement meets it."""
    database = Database(path, ACCOUNT)
    database.execute("CREATE TABLE notes (value)")
    database.executemany("INSERT INTO notes VALUES (?)", [(f"note {n}",) for n in range(9000)])
    database.close()
    content = bytearray(path.read_bytes())
    content[20 * 4096 : 21 * 4096] = bytes(4096)
    path.write_bytes(content)
    database = Database(path, ACCOUNT)
    with pytest.raises(FileError, match="damaged; restore it from a backup") as refusal:
        database.execute("SELECT sum(length(value)) FROM notes")
    database.close()
    assert "another file" not in str(refusal.value)


def test_nothing_is_committed_after_a_fault(path: Path) -> None:
    """On a full disk the first line is repeated, and half of a group never becomes whole."""
    database = Database(path, ACCOUNT)
    database.execute("CREATE TABLE notes (value)")
    database.commit()
    pages = database.execute("PRAGMA page_count")[0][0]
    database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(FileError, match="the disk is full; free some space"):
        database.execute("INSERT INTO notes VALUES (zeroblob(100000))")
    for again in (database.commit, lambda: database.execute("SELECT 1")):
        with pytest.raises(FileError, match="the disk is full"):
            again()
    database.close()
    later = Database(path, ACCOUNT)
    assert notes(later) == []
    later.close()


def test_a_journal_that_is_deleted_in_mid_run_is_noticed(path: Path) -> None:
    database = Database(path, ACCOUNT)
    shutil.rmtree(path.parent)
    with pytest.raises(FileError, match="moved or deleted while in use"):
        database.commit()
    database.close()


def test_nothing_is_let_go_after_a_commit_that_failed(path: Path) -> None:
    """Whoever waits for a commit hears that it failed, and the owner gets the line."""
    database = Database(path, ACCOUNT)
    heard: list[bool] = []
    database.commit_then(heard.append)
    database.wait_for_commit()
    shutil.rmtree(path.parent)
    database.commit_then(heard.append)
    with pytest.raises(FileError, match="moved or deleted while in use"):
        database.execute("SELECT 1")
    database.close()
    assert heard == [True, False]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("SQLITE_IOERR_RDLOCK", "no file locks"),
        ("SQLITE_IOERR_FSYNC", "fsync"),
        ("SQLITE_IOERR_WRITE", "the disk reports an error"),
        ("SQLITE_READONLY_DIRECTORY", "read-only"),
        ("SQLITE_CANTOPEN", "-wal"),
        ("SQLITE_MISMATCH", "SQLITE_MISMATCH"),
    ],
)
def test_each_fault_of_sqlite_has_its_line(path: Path, name: str, line: str) -> None:
    """An extended code is named by itself or by its family, and never by SQLite's own words."""
    error = sqlite3.OperationalError("Jana")
    error.sqlite_errorcode, error.sqlite_errorname = getattr(sqlite3, name), name
    told = str(sqlite_fault(path, error))
    assert line in told
    assert str(path) in told
    assert "Jana" not in told


# --- The -wal


def test_a_copy_without_its_wal_is_refused(killed: Path) -> None:
    """A copy of the main file alone lacks commits, and an error says so."""
    wal(killed).unlink()
    with pytest.raises(FileError, match=r"journal\.sqlite3-wal is missing"):
        Database(killed, ACCOUNT)
    with pytest.raises(FileError, match="is missing"):
        Database(killed, ACCOUNT)


def test_a_lost_wal_can_be_given_up(killed: Path) -> None:
    """The message says how to continue without it: with an empty file in its place."""
    wal(killed).write_bytes(b"")
    database = Database(killed, ACCOUNT)
    assert database.execute("SELECT * FROM sqlite_master WHERE name = 'notes'") == []
    database.close()
    Database(killed, ACCOUNT).close()


def test_whoever_lets_sqlite_join_the_files_is_let_in(killed: Path) -> None:
    """A look with the sqlite3 shell moves the -wal into the file; nothing is missing then."""
    with sqlite3.connect(killed) as shell:
        shell.execute("SELECT count(*) FROM notes").fetchone()
    shell.close()
    assert not wal(killed).exists()
    database = Database(killed, ACCOUNT)
    assert len(notes(database)) == 10
    database.close()


def test_a_closed_journal_is_one_file(path: Path) -> None:
    Database(path, ACCOUNT).close()
    assert list(path.parent.iterdir()) == [path]


def test_a_long_run_keeps_its_wal_small_and_its_mark(path: Path, tmp_path: Path) -> None:
    """The -wal is moved into the file as it grows, and a copy at any moment is noticed."""
    database = Database(path, ACCOUNT)
    database.execute("CREATE TABLE notes (value)")
    for n in range(20):
        database.execute("INSERT INTO notes VALUES (zeroblob(?))", (MAX_WAL_BYTES // 8,))
        database.commit()
        assert wal(path).stat().st_size < MAX_WAL_BYTES * 1.25
        copy = Path(shutil.copy(path, tmp_path / f"copy{n}.sqlite3"))
        with pytest.raises(FileError, match="is missing"):
            Database(copy, ACCOUNT)
    assert path.stat().st_size > MAX_WAL_BYTES
    database.close()


# --- Whose it is


def test_a_renewed_token_opens_the_journal_with_the_previous_one(path: Path) -> None:
    """One run with previous_auth_token is enough, and the digests stay what they were."""
    first = Database(path, ACCOUNT)
    digest = first.digest("Jana")
    first.close()
    for told in (RENEWED, RENEWED, RENEWED._replace(previous_auth_token=None)):
        database = Database(path, told)
        assert database.digest("Jana") == digest
        database.close()
    with pytest.raises(FileError, match="set previous_auth_token"):
        Database(path, ACCOUNT)


def test_a_dry_run_with_a_renewed_token_changes_nothing(path: Path) -> None:
    Database(path, ACCOUNT).close()
    Database(path, RENEWED, keep=False).close()
    Database(path, ACCOUNT).close()


@pytest.mark.parametrize(
    ("other", "line"),
    [
        (Account(ACCOUNT.api_url, "x"), "set previous_auth_token to the one before"),
        (Account(ACCOUNT.api_url, "x", "y"), "previous_auth_token does not open it"),
        (Account("https://other.example.org", "token"), "another api_url; set api_url back"),
        (Account("https://other.example.org", "x", "token"), "another api_url; set api_url back"),
    ],
)
def test_another_account_is_refused_with_the_consequences(
    path: Path, other: Account, line: str
) -> None:
    """The message says how to renew a token, and how a lost journal would affect patients."""
    Database(path, ACCOUNT).close()
    before = path.read_bytes()
    with pytest.raises(FileError, match=line) as refusal:
        Database(path, other)
    assert "patients could be e-mailed again" in str(refusal.value)
    assert "token" not in str(refusal.value).replace("auth_token", "").replace("the token", "")
    assert path.read_bytes() == before


def test_digests_are_keyed(path: Path, tmp_path: Path) -> None:
    """Two journals of one account share no digest, so neither can be searched with the other's."""
    one, other = Database(path, ACCOUNT), Database(tmp_path / "other.sqlite3", ACCOUNT)
    assert one.digest({"a": 1, "b": 2}) == one.digest({"b": 2, "a": 1})
    assert one.digest("Jana") != other.digest("Jana")
    one.close()
    other.close()


def test_the_key_in_the_file_is_locked(path: Path) -> None:
    database = Database(path, ACCOUNT._replace(auth_token="T-0815"))
    key = database.digest_key
    database.close()
    content = path.read_bytes()
    assert key not in content
    assert b"T-0815" not in content


def test_a_locked_key_opens_with_its_token_only() -> None:
    key = account.new_key()
    box = account.lock(key, "token")
    assert account.unlock(box, "token") == key
    assert account.unlock(box, "other") is None
    assert account.unlock(box[:-1] + bytes([box[-1] ^ 1]), "token") is None
    assert account.lock(key, "token") != box


# --- Formats before this one


def entries(database: Database) -> dict[str, dict[str, Any]]:
    """Return the entries' columns by key, without the time of their last change."""
    columns = ("key", "facility_id", "remote_id", "external_id", "agreed", "past", "intent")
    rows = database.execute(f"SELECT {', '.join(columns)} FROM entries")  # noqa: S608
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    for entry in named:
        for column in ("agreed", "past", "intent"):
            entry[column] = json.loads(entry[column] or "null")
    return {entry.pop("key"): entry for entry in named}


@pytest.mark.parametrize("renewed", [False, True])
def test_a_journal_from_before_versions_is_migrated(old_path: Path, *, renewed: bool) -> None:
    """Every entry keeps its meaning, even if the token was renewed in the meantime."""
    present = Account(OF_OLD.api_url, "new token", OF_OLD.auth_token) if renewed else OF_OLD
    for told in (present, present._replace(previous_auth_token=None)):
        database = Database(old_path, told)
        digest, found = database.digest, entries(database)
        assert database.execute("PRAGMA user_version") == [(SCHEMA_VERSION,)]
        assert database.execute("SELECT 1 FROM sqlite_master WHERE name = 'writes'") == []
        database.close()
        settled = {"facility_id": 1, "agreed": {}, "past": [], "intent": None}
        assert found["externalId:1"] == {
            **settled, "remote_id": 101, "external_id": 1,
            "agreed": {"create": digest(["Jana"]), "term": digest("2026-12-01T09:00:00")},
            "past": [digest("first"), digest("second")],
        }  # fmt: skip
        assert found["externalId:4"] == {
            **settled, "remote_id": None, "external_id": 4, "past": [digest("fourth")],
        }  # fmt: skip
        assert found["id:7"] == {
            **settled, "remote_id": 7, "external_id": None, "past": [digest("fifth")],
        }  # fmt: skip
        creation, move = found["externalId:2"]["intent"], found["externalId:3"]["intent"]
        assert (creation["state"], move["state"]) == ("SENT", "IN_DOUBT")
        assert creation["operation"] == "create_reservation"
        assert creation["wish"] == digest("third")
        assert move["intended"] == {"dateFrom": digest("2026-12-02T09:00:00"), "dateTo": ""}
        assert move["sent_at"] == 1795874384653
        assert move["ended_at"] == 0, "so the doubt is counted from the restart"
        assert found["externalId:3"]["agreed"] == {"create": digest(["Eva"])}
        both = found["externalId:5"]["intent"]
        assert both["operation"] == "change_reservation_status", "the more delicate of the two"
        assert both["before"] == {
            "dateFrom": digest("2026-12-04T09:00:00"), "status": digest("CONFIRMED"),
        }  # fmt: skip
        created = found["externalId:6"]
        assert created["agreed"] == {}, "nothing is, before it is found"
        assert created["intent"]["operation"] == "create_reservation"
        assert created["intent"]["intended"] == {
            "create": digest(["Ema"]), "dateFrom": digest("2026-12-06T09:00:00"),
            "status": digest("CONFIRMED"),
        }  # fmt: skip


def test_an_old_journal_of_another_account_is_left_as_it_is(old_path: Path) -> None:
    before = old_path.read_bytes()
    with pytest.raises(FileError, match="set previous_auth_token"):
        Database(old_path, ACCOUNT)
    assert old_path.read_bytes() == before


def test_a_dry_run_does_not_migrate(old_path: Path) -> None:
    before = old_path.read_bytes()
    database = Database(old_path, OF_OLD, keep=False)
    assert len(entries(database)) == 7
    database.close()
    assert old_path.read_bytes() == before
