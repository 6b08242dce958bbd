"""Reads and writes the journal's entries.

One row per stream and key, with its intent: ``SENT`` is committed before anything is sent;
``CONFIRMED`` and ``REJECTED`` after; ``IN_DOUBT`` when no answer came. There is no patient's data
in it: keys, Bookio's ids, facilities, and keyed digests of what was written.

Changes are collected and committed in groups, so that durability costs one disk flush for many.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from target_bookio.plan.operations import CREATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_bookio.journal.database import Database

SENT, CONFIRMED, REJECTED, IN_DOUBT = "SENT", "CONFIRMED", "REJECTED", "IN_DOUBT"

_LONGEST_PAST = 50
_MAX_KNOWN = 50_000
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

_TABLE = """
CREATE TABLE IF NOT EXISTS writes (
    stream TEXT, key TEXT, state TEXT NOT NULL, facility_id INTEGER, remote_id INTEGER,
    external_id INTEGER, desired TEXT, step TEXT, intended TEXT, applied TEXT, past TEXT,
    noted_at INTEGER,
    PRIMARY KEY (stream, key)
) WITHOUT ROWID
"""
"""Until entries are kept in ``entries``, which a journal of the first format is migrated to."""


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

    def __init__(self, database: Database) -> None:
        """Take the open file, which ``close`` closes."""
        self._database = database
        database.execute(_TABLE)
        self.digest = database.digest
        self._known: dict[tuple[str, str], Entry | None] = {}
        """What was looked up or noted lately."""
        self._noted: dict[tuple[str, str], Entry | None] = {}
        """What was noted since the last commit; ``None`` is to be deleted."""

    def get(self, stream: str, key: str) -> Entry | None:
        """Return what is known of a key, under whichever number the row was written."""
        if (stream, key) not in self._known:
            self.load(stream, [key])
        return self._known[stream, key]

    def load(self, stream: str, keys: Iterable[str]) -> None:
        """Look many keys up at once: for each statement SQLite waits for the threads that send."""
        if len(self._known) >= _MAX_KNOWN:
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
        self._database.execute(f"DELETE FROM writes WHERE {settled}", (oldest,))  # noqa: S608
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
        self._write()
        self._database.commit()

    def close(self) -> None:
        """Commit and close."""
        try:
            self._write()
        finally:
            self._database.close()

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
            self._database.execute(_DELETE, (msgspec.json.encode(gone),))
        if rows:
            self._database.execute(_INSERT, (msgspec.json.encode(rows),))

    def _select_in(self, stream: str, column: str, values: list[Any]) -> list[Entry]:
        if not values:
            return []
        condition = f"stream = ? AND {column} IN (SELECT value FROM json_each(?))"  # noqa: S608
        return self._select(condition, stream, msgspec.json.encode(values).decode())

    def _select(self, condition: str, *values: object) -> list[Entry]:
        self._write()
        rows = self._database.execute(
            f"SELECT {_COLUMNS} FROM writes WHERE {condition}",  # noqa: S608 - our own words
            values,
        )
        return [
            Entry._make((*row[:-3], *map(msgspec.json.decode, row[-3:-1]), _past(row[-1])))
            for row in rows
        ]


def _past(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])
