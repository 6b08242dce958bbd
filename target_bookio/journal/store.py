"""Remembers every write before its first byte leaves, so that none is made twice.

One row per stream and key, with its intent: ``SENT`` is committed before anything is sent;
``CONFIRMED`` and ``REJECTED`` after; ``IN_DOUBT`` when no answer came. The file holds no patient's
data: keys, Bookio's ids, facilities, and hashes of what was written, keyed by token and salt.

Changes are collected and committed in groups, so that durability costs one disk flush for many.
"""

from __future__ import annotations

import hmac
import os
import secrets
import sqlite3
import time
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from bookio_api.errors import SettingsError
from target_bookio.plan.operations import CREATE
from target_bookio.private_files import private_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SENT, CONFIRMED, REJECTED, IN_DOUBT = "SENT", "CONFIRMED", "REJECTED", "IN_DOUBT"

_APPLICATION_ID = 0x424B4A33
_LOCK_SECONDS = 5
_MOST_KNOWN = 50_000
_LONGEST_PAST = 50
_NUMBERS = {"id": "remote_id", "externalId": "external_id"}
"""The column of each number that a key may be."""
_COLUMNS = (
    "stream, key, state, facility_id, remote_id, external_id, desired, step, "
    "intended, applied, past"
)
_INSERT = (
    "INSERT OR REPLACE INTO writes SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, "
    "value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, "
    "value ->> 11 FROM json_each(?)"
)
_DELETE = (
    "DELETE FROM writes WHERE (stream, key) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))"
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS writes (
    stream TEXT, key TEXT, state TEXT NOT NULL, facility_id INTEGER, remote_id INTEGER,
    external_id INTEGER, desired TEXT, step TEXT, intended TEXT, applied TEXT, past TEXT,
    noted_at INTEGER,
    PRIMARY KEY (stream, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS writes_by_id ON writes (stream, remote_id);
CREATE INDEX IF NOT EXISTS writes_by_external_id ON writes (stream, external_id);
CREATE INDEX IF NOT EXISTS writes_unsettled ON writes (state)
    WHERE state IN ('SENT', 'IN_DOUBT');
"""


class Entry(NamedTuple):
    """What the journal knows of one row of Bookio, whichever of its numbers a record has."""

    stream: str
    key: str
    state: str
    facility_id: int | None = None
    remote_id: int | None = None
    external_id: int | None = None
    desired: str = ""
    """Digest of the whole record in flight."""
    step: str = ""
    """The operations in flight, separated by blanks."""
    intended: Mapping[str, str] = {}
    """Digests of what is in flight, by field; empty for one that Bookio will decide."""
    applied: Mapping[str, str] = {}
    """Digests of what Bookio is known to hold from us, by field."""
    past: tuple[str, ...] = ()
    """Digests of the records that were carried out, the last ones, in their order."""

    @property
    def names(self) -> list[str]:
        """Return every key under which records may speak of this row."""
        numbers = {"id": self.remote_id, "externalId": self.external_id}
        others = (f"{name}:{number}" for name, number in numbers.items() if number is not None)
        return list(dict.fromkeys((self.key, *others)))

    def carried_out(self, desired: str) -> Entry:
        """Return it with one more record in its past, unless it is the last one again."""
        past = self.past if self.past[-1:] == (desired,) else (*self.past, desired)[-_LONGEST_PAST:]
        return self._replace(past=past, desired="")

    def without_intent(self, state: str) -> Entry:
        """Return it as if what was in flight had never been meant."""
        external_id = None if "externalId" in self.intended else self.external_id
        applied = {} if CREATE in self.intended else self.applied
        return self._replace(
            state=state, external_id=external_id, desired="", step="", intended={}, applied=applied
        )


class Journal:
    """The journal of one account; used by one process, and by one thread of it."""

    def __init__(
        self, path: Path | None, api_url: str, auth_token: str, *, keep: bool = True
    ) -> None:
        """Open or create the journal of an account; ``None`` keeps it in memory.

        Without ``keep`` nothing that is noted reaches the disk, as a dry run wants it.

        Raises:
            SettingsError: the file is no journal, another account's, or in use.
        """
        self._path = path
        self._keep = keep
        self._known: dict[tuple[str, str], Entry | None] = {}
        """What was looked up or noted lately."""
        self._noted: dict[tuple[str, str], Entry | None] = {}
        """What was noted since the last commit; ``None`` is to be deleted."""
        if path is not None:
            os.close(private_file(path, "journal_path"))
        try:
            self._db = sqlite3.connect(
                path or ":memory:", timeout=_LOCK_SECONDS, isolation_level=None
            )
            self._open()
        except sqlite3.OperationalError as error:
            msg = f"journal_path: {path} is used by another process, or cannot be written; "
            raise SettingsError(msg + "end that process, or name another file") from error
        except sqlite3.DatabaseError as error:
            raise self._refusal("is no journal of target-bookio") from error
        salt = self._about("salt", secrets.token_bytes(32))
        self._key = hmac.digest(auth_token.encode(), salt, "sha256")
        account = self.digest(api_url).encode()
        if self._about("account", account) != account:
            msg = (
                f"journal_path: {path} belongs to another api_url or auth_token; name another "
                "file, or move this one away: then the first run looks everything up"
            )
            raise SettingsError(msg)
        self._db.execute("BEGIN")

    def digest(self, value: object) -> str:
        """Return a keyed hash of a JSON value; another journal makes another."""
        text = msgspec.json.encode(value, order="sorted")
        return blake2b(text, key=self._key, digest_size=16).hexdigest()

    def get(self, stream: str, key: str) -> Entry | None:
        """Return what is known of a key, under whichever number the row was written."""
        if (stream, key) not in self._known:
            self.load(stream, [key])
        return self._known[stream, key]

    def load(self, stream: str, keys: Iterable[str]) -> None:
        """Look many keys up at once: for each statement SQLite waits for the threads that send."""
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        wanted = [key for key in keys if (stream, key) not in self._known]
        self._known.update(dict.fromkeys((stream, key) for key in wanted))
        numbers: dict[str, list[int]] = {kind: [] for kind in _NUMBERS}
        for kind, _, number in (key.partition(":") for key in wanted):
            if kind in numbers:
                numbers[kind].append(int(number))
        for kind, column in _NUMBERS.items():
            for entry in self._select_in(stream, column, numbers[kind]):
                self._known[stream, f"{kind}:{getattr(entry, column)}"] = entry
        for entry in self._select_in(stream, "key", wanted):
            self._known[stream, entry.key] = entry

    def unsettled(self) -> list[Entry]:
        """Return what was sent, or is in doubt."""
        return self._select("state IN ('SENT', 'IN_DOUBT')")

    def forget_before(self, days: int) -> None:
        """Forget what was settled more than so many days ago."""
        oldest = int((time.time() - days * 86400) * 1000)
        settled = "state IN ('CONFIRMED', 'REJECTED') AND noted_at < ?"
        self._db.execute(f"DELETE FROM writes WHERE {settled}", (oldest,))  # noqa: S608
        self.commit()

    def put(self, entry: Entry) -> None:
        """Note an entry; it lasts from the next ``commit`` on."""
        self._known.update(dict.fromkeys(((entry.stream, name) for name in entry.names), entry))
        self._noted[entry.stream, entry.key] = entry

    def forget(self, entry: Entry) -> None:
        """Note that an intent was never carried out."""
        if (entry.applied and CREATE not in entry.intended) or entry.past:
            self.put(entry.without_intent(CONFIRMED))
        else:
            self._known.update(dict.fromkeys((entry.stream, name) for name in entry.names))
            self._noted[entry.stream, entry.key] = None

    def commit(self) -> None:
        """Put all that was noted on the disk."""
        if self._keep:
            self._write()
            self._db.execute("COMMIT")
            self._db.execute("BEGIN")

    def close(self) -> None:
        """Commit and close."""
        if self._keep:
            self._write()
        if self._db.in_transaction:  # a signal may have come between two of them
            self._db.execute("COMMIT" if self._keep else "ROLLBACK")
        self._db.close()

    def _open(self) -> None:
        db = self._db
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        mark = db.execute("PRAGMA application_id").fetchone()[0]
        tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        db.execute("COMMIT")
        if tables and mark != _APPLICATION_ID:
            raise self._refusal("is no journal of target-bookio")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        db.executescript(_SCHEMA)

    def _about(self, name: str, value: bytes) -> bytes:
        """Return a fact about the journal, which is this value if it is new."""
        self._db.execute("INSERT OR IGNORE INTO about VALUES (?, ?)", (name, value))
        found: bytes = self._db.execute(
            "SELECT value FROM about WHERE name = ?", (name,)
        ).fetchone()[0]
        return found

    def _write(self) -> None:
        """Hand over what was noted in one statement each, for every one waits for the threads."""
        noted, self._noted = self._noted, {}
        now = int(time.time() * 1000)
        gone = [key for key, entry in noted.items() if entry is None]
        rows = [
            (*entry[:8], *(msgspec.json.encode(digests).decode() for digests in entry[8:]), now)
            for entry in noted.values()
            if entry is not None
        ]
        if gone:
            self._db.execute(_DELETE, (msgspec.json.encode(gone),))
        if rows:
            self._db.execute(_INSERT, (msgspec.json.encode(rows),))

    def _select_in(self, stream: str, column: str, values: list[Any]) -> list[Entry]:
        if not values:
            return []
        condition = f"stream = ? AND {column} IN (SELECT value FROM json_each(?))"  # noqa: S608
        return self._select(condition, stream, msgspec.json.encode(values).decode())

    def _select(self, condition: str, *values: object) -> list[Entry]:
        self._write()
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM writes WHERE {condition}",  # noqa: S608 - our own words
            values,
        )
        return [
            Entry._make((*row[:-3], *map(msgspec.json.decode, row[-3:-1]), _past(row[-1])))
            for row in rows
        ]

    def _refusal(self, what: str) -> SettingsError:
        return SettingsError(f"journal_path: {self._path} {what}; name another file")


def _past(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])
