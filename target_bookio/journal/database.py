"""The journal's SQLite file: opened, locked, brought up to date, committed and closed.

`schema` defines its tables. This module ensures that commits survive a crash, that only one process
at a time uses the file, and that each of its faults becomes a one-line error.
"""

from __future__ import annotations

import logging
import sqlite3
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_bookio.journal.account import keyed_digest, lock, new_key
from target_bookio.journal.faults import fault, sqlite_fault
from target_bookio.journal.file_lock import check_locks
from target_bookio.journal.migration import migrate
from target_bookio.journal.ownership import proved
from target_bookio.journal.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from target_bookio.journal.account import Account
    from target_bookio.private_files import FileError

APPLICATION_ID = 0x424B4A33
"""Identifies our files in SQLite's header."""

LOCK_TIMEOUT_S = 5.0
MAX_WAL_BYTES = 4 << 20
"""A ``-wal`` file larger than this is moved into the main file at the next commit."""

# Names in the table ``about``.
_ACCOUNT = "account"
_LOCKED_KEY = "digest_key"
_NEEDS_WAL = "needs_wal"
_SALT = "salt"  # only in files of the first format

logger = logging.getLogger(__name__)


class Database:
    """The file of one account's journal; used by one process, and by one thread of it.

    A commit may run on another thread. Every other method waits until it has ended, so that the
    connection is never used by two threads at once.
    """

    def __init__(
        self,
        path: Path | None,
        account: Account,
        *,
        keep: bool = True,
        lock_timeout_s: float = LOCK_TIMEOUT_S,
    ) -> None:
        """Open or create the file; ``None`` keeps everything in memory.

        Without ``keep``, as in a dry run, nothing is committed.

        Raises:
            FileError: the file is not a journal, belongs to another account, or is in use.
        """
        self.path = path
        self._keep = keep
        self._fault: FileError | None = None
        """The first fault. Nothing is committed after it, because a group may be incomplete."""
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._pending: Future[None] | None = None
        """The commit that is under way. Set and waited for by the owner's thread."""
        # Checked now, because SQLite creates one as soon as it reads.
        had_wal = path is None or _wal(path).exists()
        if path is not None:
            check_locks(path)
        self._db = self._connected(lock_timeout_s)
        try:
            self.is_new = self._claim() and path is not None
            """Whether this run created the file."""
            # One transaction for everything: a kill leaves the file as it was, or up to date.
            self._begin()
            self._check_wal(had_wal=had_wal)
            self._migrate()
            self.digest_key = self._unlock(account)
            self._digest_any = partial(keyed_digest, self.digest_key)
            self._digest_text = lru_cache(maxsize=20_000)(self._digest_any)
            if keep:
                self.commit()
                self._checkpoint()
        except BaseException:
            self._db.close()
            raise
        if self.is_new and keep:
            logger.info("new journal at %s; keep it between runs", path)

    def execute(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run one statement, and return its rows."""
        self._join_commit()
        return self._execute(sql, values)

    def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run one statement for many rows."""
        self._join_commit()
        with self._in_one_line():
            self._db.executemany(sql, rows)

    def each(self, sql: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a statement one by one, for results that may exceed memory."""
        self._join_commit()
        with self._in_one_line():
            yield from self._db.execute(sql, values)

    def digest(self, value: object) -> str:
        """Return a keyed hash of a JSON value; each journal has its own key."""
        return self._digest_text(value) if type(value) is str else self._digest_any(value)

    def commit(self) -> None:
        """Flush everything executed since the last commit to the disk."""
        self._join_commit()
        self._commit()

    def commit_then(self, done: Callable[[bool], None]) -> None:
        """Commit on another thread, which then calls ``done`` with whether that succeeded.

        If it failed, the owner's next call raises the error.
        """
        self._join_commit()
        self._pending = self._committer.submit(self._commit_and_call, done)

    def wait_for_commit(self) -> None:
        """Wait until no commit is under way, and ignore whether it failed."""
        wait([] if self._pending is None else [self._pending])

    def close(self) -> None:
        """Commit and close; after a fault, only close."""
        self._committer.shutdown()  # waits for a commit that is under way
        try:
            if self._fault is None and self._keep and self._db.in_transaction:
                with self._in_one_line():
                    self._db.execute("COMMIT")
            elif self._db.in_transaction:  # after some faults SQLite has ended it already
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
        finally:
            self._db.close()

    def _join_commit(self) -> None:
        """Wait for the commit that is under way, and raise its error."""
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    def _commit_and_call(self, done: Callable[[bool], None]) -> None:
        has_succeeded = False
        try:
            self._commit()
            has_succeeded = True
        finally:
            done(has_succeeded)

    def _commit(self) -> None:
        if not self._keep:
            return
        with self._in_one_line():
            # A transaction is always open: one commit is one flush of the disk, for all rows.
            self._db.execute("COMMIT")
            if self.path is not None and self._wal_bytes(self.path) > MAX_WAL_BYTES:
                self._checkpoint()
            self._begin()

    def _connected(self, lock_timeout_s: float) -> sqlite3.Connection:
        with self._in_one_line():
            return sqlite3.connect(
                self.path or ":memory:",
                timeout=lock_timeout_s,
                isolation_level=None,  # we begin transactions; sqlite3 would begin some by itself
                check_same_thread=False,  # a commit may run on another thread
            )

    def _execute(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run one statement, without waiting for a commit, which may be its caller."""
        with self._in_one_line():
            return self._db.execute(sql, values).fetchall()

    def _claim(self) -> bool:
        """Lock the file, and check its owner; true if it is new."""
        with self._in_one_line():
            # The lock is taken by the first transaction, and kept until the file is closed. In
            # this mode SQLite needs no shared memory, which network shares lack.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("BEGIN EXCLUSIVE")
            tables = self._number("SELECT count(*) FROM sqlite_master")
            mark = self._number("PRAGMA application_id")
            version = self._number("PRAGMA user_version")
            self._db.execute("COMMIT")
            if tables and mark != APPLICATION_ID:
                what = "it is not a target-bookio journal, but another program's database"
                raise fault(self.path, what, "check journal_path")
            if tables and version > SCHEMA_VERSION:
                formats = f"format {version}, not {SCHEMA_VERSION}"
                what = f"it was written by a newer target-bookio ({formats})"
                raise fault(self.path, what, "update target-bookio")
            # WAL: a commit is one flush, and a kill at any moment loses no commit. FULL: every
            # commit is flushed; otherwise a power cut could lose the intent of a write that Bookio
            # has received.
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            # Only ``_checkpoint`` may move the -wal into the file, because it sets a mark.
            self._db.execute("PRAGMA wal_autocheckpoint = 0")
        return tables == 0

    def _migrate(self) -> None:
        """Bring the tables up to date, in the transaction that is open."""
        with self._in_one_line():
            migrate(self._db, self._number("PRAGMA user_version"))
            self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    def _unlock(self, account: Account) -> bytes:
        """Return the key of the digests, once a token has proved whose file it is."""
        box, salt = self._about(_LOCKED_KEY), self._about(_SALT)
        # 1. A new file gets a random key, locked with the token.
        if box is None and salt is None:
            key, proof = new_key(), account.auth_token
            self._set_about(_ACCOUNT, keyed_digest(key, account.api_url).encode())
        # 2. Otherwise one of the tokens unlocks the key or, in a file of the first format, derives
        #    it: it is kept, because all digests depend on it.
        else:
            owner = self._about(_ACCOUNT)
            key, proof = proved(self.path, account, box=box, salt=salt, owner=owner)
        # 3. If the token was renewed, or the key was not locked yet, the new token locks it.
        if box is None or proof != account.auth_token:
            self._set_about(_LOCKED_KEY, lock(key, account.auth_token))
            self._execute("DELETE FROM about WHERE name = ?", (_SALT,))
        if proof != account.auth_token:
            logger.info("the journal belongs to the new auth_token; remove previous_auth_token")
        return key

    def _check_wal(self, *, had_wal: bool) -> None:
        """Refuse a copy of the file alone, while its last commits are in the ``-wal``."""
        if had_wal or self.is_new or not self._about(_NEEDS_WAL):
            return
        wal = _wal(self.path or Path())
        advice = (
            f"put {wal.name} back beside it; if that is lost, wait some minutes, until all writes "
            "that were sent have arrived, create an empty file of that name and run again"
        )
        raise fault(self.path, f"{wal.name} is missing, which contains its last writes", advice)

    def _checkpoint(self) -> None:
        """Move the ``-wal`` into the file, and mark the file as incomplete without the next one.

        The mark is removed in the next commit, which is in the ``-wal``. So a complete copy, or a
        file into which SQLite has merged its ``-wal``, has no mark, and a copy of the file alone
        does.
        """
        if self.path is None:
            return
        with self._in_one_line():
            if self._db.in_transaction:
                self._db.execute("COMMIT")
            self._set_about(_NEEDS_WAL, 1)
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._begin()
            self._set_about(_NEEDS_WAL, 0)
            self._db.execute("COMMIT")
            self._begin()

    def _wal_bytes(self, path: Path) -> int:
        try:
            return _wal(path).stat().st_size
        except FileNotFoundError as error:
            self._fault = fault(
                path, "it was moved or deleted while in use", "put it back and run again"
            )
            raise self._fault from error

    def _begin(self) -> None:
        with self._in_one_line():
            if not self._db.in_transaction:
                self._db.execute("BEGIN")

    def _about(self, name: str) -> Any:  # noqa: ANN401 - bytes, or a number
        """Return a value of the table ``about``, or ``None`` if it is missing."""
        if not self._number("SELECT count(*) FROM sqlite_master WHERE name = 'about'"):
            return None
        found = self._execute("SELECT value FROM about WHERE name = ?", (name,))
        return found[0][0] if found else None

    def _set_about(self, name: str, value: bytes | int) -> None:
        self._execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))

    def _number(self, sql: str) -> int:
        return int(self._execute(sql)[0][0])

    @contextmanager
    def _in_one_line(self) -> Iterator[None]:
        """Turn an SQLite error into a one-line error, and repeat it in every later call."""
        if self._fault is not None:
            raise self._fault
        try:
            yield
        except sqlite3.Error as error:
            self._fault = sqlite_fault(self.path, error)
            raise self._fault from error


def _wal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")
