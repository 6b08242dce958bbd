"""A one-line error for each fault of the journal's file.

No error suggests using another file: only what the journal contains prevents a second e-mail to a
patient.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from target_bookio.private_files import FileError

if TYPE_CHECKING:
    from pathlib import Path

SETTING = "journal_path"

CONSEQUENCE = (
    "the target forgets what it wrote: it could undo what people changed in Bookio, and patients "
    "could be e-mailed again"
)
"""The consequence of losing a journal."""

_CHECK_DISK = "check the disk or the share and run again; what was in flight is looked up then"
_LOCKS = ("its file system has no file locks", "move its folder, with all files, to a local disk")
_WRITABLE = "make the file and its folder writable for this user"

# The keys are SQLite's result codes. A more exact (extended) code goes before its family.
_FAULTS = {
    sqlite3.SQLITE_FULL: (
        "the disk is full",
        "free some space there and run again; what was in flight is looked up then",
    ),
    sqlite3.SQLITE_BUSY: (
        "it is used by another process",
        "wait until that process has ended, and let only one run at a time",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "it is damaged",
        f"restore it from a backup, with its -wal file if it has one; without it {CONSEQUENCE}",
    ),
    sqlite3.SQLITE_NOTADB: (
        "it is not a target-bookio journal, or it is damaged",
        "check journal_path; if this was the journal, restore it from a backup",
    ),
    sqlite3.SQLITE_READONLY: ("it is read-only", _WRITABLE),
    sqlite3.SQLITE_CANTOPEN: ("it or its -wal file cannot be opened", _WRITABLE),
    sqlite3.SQLITE_PERM: ("Permission denied", _WRITABLE),
    sqlite3.SQLITE_IOERR_LOCK: _LOCKS,
    sqlite3.SQLITE_IOERR_RDLOCK: _LOCKS,
    sqlite3.SQLITE_IOERR_UNLOCK: _LOCKS,
    sqlite3.SQLITE_IOERR_SHMLOCK: _LOCKS,
    sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK: _LOCKS,
    sqlite3.SQLITE_IOERR_FSYNC: ("the disk cannot store what is written (fsync)", _CHECK_DISK),
    sqlite3.SQLITE_IOERR: ("the disk reports an error", _CHECK_DISK),
}


def fault(path: Path | None, what: str, advice: str) -> FileError:
    """Return the error for a fault of the journal."""
    return FileError.about(SETTING, path, what, advice)


def sqlite_fault(path: Path | None, error: sqlite3.Error) -> FileError:
    """Return the error for an SQLite error, without its text, which may contain anything."""
    code = getattr(error, "sqlite_errorcode", 0)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    unknown = (f"SQLite reports {name}", "please report this line")
    return fault(path, *_FAULTS.get(code, _FAULTS.get(code & 0xFF, unknown)))


def no_locks(path: Path) -> FileError:
    """Return the error for a file system without locks."""
    return fault(path, *_LOCKS)
