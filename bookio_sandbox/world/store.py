"""The rows, stored encoded in SQLite: the body of a list is joined from their bytes."""

# ruff: noqa: S608 - names in queries are constants of this package
from __future__ import annotations

import sqlite3
from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from bookio_api.contract import BLOCKED_TIMES, CALENDARS, FACILITIES, RESERVATIONS, RESOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

STREAMS = tuple(RESOURCES)
_FIRST_IDS = {FACILITIES: 101, CALENDARS: 301, RESERVATIONS: 1001, BLOCKED_TIMES: 401}

_COLUMNS = {
    "facility_id": "facilityId",
    "service_id": "serviceId",
    "status": "status",
    "email": "email",
    "number": "number",
    "date_from": "dateFrom",
    "date_to": "dateTo",
    "external_id": "externalId",
}

_TABLE = """
CREATE TABLE IF NOT EXISTS {stream} (
    id INTEGER PRIMARY KEY AUTOINCREMENT, modified INTEGER, unsynced INTEGER,
    facility_id INTEGER, service_id INTEGER, status TEXT, email TEXT, number TEXT,
    date_from TEXT, date_to TEXT, external_id INTEGER, body BLOB)
"""

_INDEXES = (
    "modified",
    "facility_id, modified",
    "facility_id, date_from",
    "date_from",
    "service_id, date_from",
    "facility_id, external_id",
    "email",
    "number",
)

_INSERT = (
    "INSERT OR REPLACE INTO {stream} (id, modified, unsynced, "
    + ", ".join(_COLUMNS)
    + ", body) VALUES (?, ?, ?"
    + ", ?" * len(_COLUMNS)
    + ", ?)"
)

_OTHERS = """
CREATE TABLE IF NOT EXISTS emails (
    id INTEGER PRIMARY KEY, reservationId INTEGER, kind TEXT, recipient TEXT, reason TEXT,
    sent INTEGER);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value)
"""

_MAX_CACHED_RESULTS = 64


class Stored(NamedTuple):
    """A row as Bookio sends it, with the two facts that it does not send."""

    row: dict[str, Any]
    modified: int
    """Epoch ms."""
    unsynced: bool


class Store:
    """Every row of the world."""

    def __init__(self, path: str = ":memory:") -> None:
        """Open or create a file. ``sqlite3.Error`` if it cannot be used."""
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master")}
        if tables and "facts" not in tables:
            msg = "it is not a sandbox database"
            raise sqlite3.DatabaseError(msg)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        for stream in STREAMS:
            self._db.execute(_TABLE.format(stream=stream))
        self._db.executescript(_OTHERS)
        self.changes = dict.fromkeys(STREAMS, 0)
        self._results: dict[tuple[object, ...], Sequence[int]] = {}
        self._followers: list[Callable[[str, int], None]] = []

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def fact(self, name: str) -> Any:  # noqa: ANN401
        """Return a value that was remembered, or None."""
        found = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return found and found[0]

    def remember(self, name: str, value: object) -> None:
        """Store a value beside the rows."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def latest(self) -> int:
        """Return the time of the last change (epoch ms), or 0 without rows."""
        latest = (f"SELECT max(modified) AS latest FROM {stream}" for stream in STREAMS)
        query = f"SELECT ifnull(max(latest), 0) FROM ({' UNION ALL '.join(latest)})"
        found: int = self._db.execute(query).fetchone()[0]
        return found

    def load(self, stream: str, rows: Iterable[Stored]) -> None:
        """Insert many rows in one transaction."""
        self._db.execute("BEGIN")
        self._db.executemany(_INSERT.format(stream=stream), map(_values, rows))
        self._db.execute("COMMIT")
        self._changed(stream)

    def index(self) -> None:
        """Build the indexes; this is cheaper after a big ``load`` than before."""
        for stream in STREAMS:
            for columns in _INDEXES:
                name = f"{stream}_{columns.replace(', ', '_')}"
                self._db.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {stream} ({columns})")

    def put(self, stream: str, row: dict[str, Any], modified: int, *, unsynced: bool) -> None:
        """Insert the row, or replace the one with its id."""
        values = _values(Stored(row, modified, unsynced))
        self._db.execute(_INSERT.format(stream=stream), values)
        self._changed(stream, row["id"])

    def remove(self, stream: str, row_id: int) -> bool:
        """Remove a row permanently; False if there is none."""
        removed = self._db.execute(f"DELETE FROM {stream} WHERE id = ?", (row_id,))
        self._changed(stream, row_id)
        return removed.rowcount > 0

    def on_change(self, follow: Callable[[str, int], None]) -> None:
        """Call ``follow(stream, id)`` after each change of one row."""
        self._followers.append(follow)

    def copy_to(self, other: Store) -> None:
        """Copy everything into another store, which is replaced."""
        self._db.backup(other._db)

    def _changed(self, stream: str, row_id: int | None = None) -> None:
        self.changes[stream] += 1
        self._results.clear()
        for follow in self._followers if row_id is not None else ():
            follow(stream, row_id or 0)

    def get(self, stream: str, row_id: int) -> Stored | None:
        """Return a row by its id."""
        found = list(self._select(stream, "WHERE id = ?", (row_id,)))
        return found[0] if found else None

    def rows(self, stream: str) -> Iterator[Stored]:
        """Return every row by id."""
        return self._select(stream, "ORDER BY id", ())

    def _select(self, stream: str, tail: str, values: tuple[object, ...]) -> Iterator[Stored]:
        query = f"SELECT body, modified, unsynced FROM {stream} {tail}"
        for body, modified, unsynced in self._db.execute(query, values):
            yield Stored(msgspec.json.decode(body), modified, bool(unsynced))

    def ids(
        self,
        stream: str,
        where: str = "1",
        values: Sequence[object] = (),
        order: str = "id",
    ) -> Sequence[int]:
        """Return ids in order; cached until a row changes, so that deep pages cost no more."""
        key = (stream, where, *values, order)
        if key not in self._results:
            if len(self._results) >= _MAX_CACHED_RESULTS:
                self._results.pop(next(iter(self._results)))
            found = self._db.execute(
                f"SELECT id FROM {stream} WHERE {where} ORDER BY {order}", values
            )
            self._results[key] = array("q", (row[0] for row in found))
        return self._results[key]

    def bodies(self, stream: str, ids: Sequence[int]) -> list[bytes]:
        """Return the encoded rows of ids, in their order."""
        marks = ",".join("?" * len(ids))
        found = dict(self._db.execute(f"SELECT id, body FROM {stream} WHERE id IN ({marks})", ids))
        return [found[row_id] for row_id in ids]

    def next_id(self, stream: str) -> int:
        """Return an id that no row of the stream ever had."""
        found = self._db.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = ?", (stream,)
        ).fetchone()
        return found[0] + 1 if found else _FIRST_IDS[stream]

    def count(self, stream: str, where: str = "1", values: Sequence[object] = ()) -> int:
        """Return the number of rows that match."""
        query = f"SELECT count(*) FROM {stream} WHERE {where}"
        found: int = self._db.execute(query, values).fetchone()[0]
        return found

    def counts(self) -> dict[str, int]:
        """Return the number of rows of each stream."""
        return {stream: self.count(stream) for stream in STREAMS}

    def send_email(
        self, reservation: dict[str, Any], kind: str, reason: str | None, sent: int
    ) -> None:
        """Put an e-mail to the patient into the outbox; ``sent`` is epoch ms."""
        self._db.execute(
            "INSERT INTO emails (reservationId, kind, recipient, reason, sent)"
            " VALUES (?, ?, ?, ?, ?)",
            (reservation["id"], kind, reservation.get("email"), reason, sent),
        )

    def emails(self) -> list[dict[str, Any]]:
        """Return the outbox, oldest first."""
        found = self._db.execute("SELECT * FROM emails ORDER BY id")
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found]

    def clear_emails(self) -> None:
        """Empty the outbox."""
        self._db.execute("DELETE FROM emails")


def _values(stored: Stored) -> tuple[object, ...]:
    row = stored.row
    if "validFrom" in row:
        row = {"dateFrom": row["validFrom"], "dateTo": row["validTo"]} | row
    columns = (row.get(field) for field in _COLUMNS.values())
    body = msgspec.json.encode(stored.row)
    return row["id"], stored.modified, stored.unsynced, *columns, body
