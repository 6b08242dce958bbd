"""The journal's file: durability, access, and errors."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from target_bookio.journal.account import Account
from target_bookio.journal.database import MAX_WAL_BYTES, Database
from target_bookio.journal.faults import sqlite_fault
from target_bookio.journal.schema import SCHEMA_VERSION
from target_bookio.private_files import FileError

ACCOUNT = Account("https://bookio.example.org", "token")
RENEWED = Account(ACCOUNT.api_url, "new token", ACCOUNT.auth_token)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own" / "journal.sqlite3"


@pytest.fixture
def killed(path: Path) -> Path:
    """Return a journal whose process was killed, with ten notes committed and one not."""
    with subprocess.Popen(
        [sys.executable, Path(__file__).parents[1] / "killed_writer.py", path],
        stdout=subprocess.PIPE,
    ) as process:
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


def test_only_the_owner_can_read_the_file(path: Path) -> None:
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


def test_a_damaged_file_is_named_and_no_other_file_is_suggested(path: Path) -> None:
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


def test_a_journal_that_is_deleted_during_a_run_is_detected(path: Path) -> None:
    database = Database(path, ACCOUNT)
    shutil.rmtree(path.parent)
    with pytest.raises(FileError, match="moved or deleted while in use"):
        database.commit()
    database.close()


def test_a_failed_commit_is_reported_to_those_who_wait_for_it(path: Path) -> None:
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
def test_each_sqlite_error_has_its_own_message(path: Path, name: str, line: str) -> None:
    """An extended code is named by itself or by its family, and never by SQLite's own words."""
    error = sqlite3.OperationalError("Jana")
    error.sqlite_errorcode, error.sqlite_errorname = getattr(sqlite3, name), name
    message = str(sqlite_fault(path, error))
    assert line in message
    assert str(path) in message
    assert "Jana" not in message


# --- The -wal


def test_a_copy_without_its_wal_is_refused(killed: Path) -> None:
    """A copy of the main file alone lacks commits, and an error says so."""
    wal(killed).unlink()
    with pytest.raises(FileError, match=r"journal\.sqlite3-wal is missing"):
        Database(killed, ACCOUNT)
    with pytest.raises(FileError, match="is missing"):
        Database(killed, ACCOUNT)


def test_a_run_can_go_on_without_a_lost_wal(killed: Path) -> None:
    """The message says how to continue without it: with an empty file in its place."""
    wal(killed).write_bytes(b"")
    database = Database(killed, ACCOUNT)
    assert database.execute("SELECT * FROM sqlite_master WHERE name = 'notes'") == []
    database.close()
    Database(killed, ACCOUNT).close()


def test_a_journal_whose_wal_was_merged_by_sqlite_is_accepted(killed: Path) -> None:
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


def test_a_long_run_keeps_its_wal_small_and_still_detects_copies(
    path: Path, tmp_path: Path
) -> None:
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
