"""Records every write before its first byte is sent, so that none is made twice.

There is one entry per row of Bookio, with the intent that is in flight or in doubt. The file has no
patient data: only keys, Bookio's ids, facilities, and keyed hashes. Changes are collected and
committed in groups, so that one disk flush makes many of them durable.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from target_bookio.journal.entry import Entry, Intent, IntentState
from target_bookio.journal.retention import forget_unseen, is_stale, touch
from target_bookio.journal.table import Table
from target_bookio.journal.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_bookio.journal.database import Database

MAX_KNOWN = 5_000
"""Maximum entries in memory."""
_NUMBERS = {"id": "remote_id", "externalId": "external_id"}
"""The column of each kind of numeric key."""
_COLUMNS = (
    "stream, key, facility_id, remote_id, external_id, agreed, asked, past, written_at, intent, "
    "noted_at"
)


class Journal:
    """The journal of one account; used by one process, and by one thread of it."""

    def __init__(self, database: Database) -> None:
        """Take the open file; ``close`` closes it."""
        self._opened_at = _now_ms()
        self._stale: set[tuple[str, str]] = set()
        """Loaded entries whose time is older than a day."""
        self._seen: list[tuple[str, str]] = []
        """Those of them that a record referred to again, so their time must be updated."""
        self.database = database
        self.digest = database.digest
        self._known: dict[tuple[str, str], Entry | None] = {}
        """Recently used entries, under each of their names; ``None`` if there is no entry."""
        self._table = Table(database, "entries", _COLUMNS, _row)
        self.windows = Windows(database)
        self._flushes: list[Callable[[], None]] = [self._table.flush, self.windows.flush]

    def get(self, stream: str, name: str) -> Entry | None:
        """Return a row's entry, under any of its names."""
        if (stream, name) not in self._known:
            self._look_up(stream, [name])
        return self._known[stream, name]

    def load(self, stream: str, names: Iterable[str]) -> None:
        """Look up many names at once."""
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._look_up(stream, names)

    def _look_up(self, stream: str, names: Iterable[str]) -> None:
        wanted = [name for name in names if (stream, name) not in self._known]
        self._known.update(dict.fromkeys((stream, name) for name in wanted))
        # By number first, and by key last: if a later row took over a number, the entry that has
        # the name as its key is the one that the name refers to.
        numbers: dict[str, list[int]] = {kind: [] for kind in _NUMBERS}
        for kind, _, number in (name.partition(":") for name in wanted):
            if kind in numbers:
                numbers[kind].append(int(number))
        for kind, column in _NUMBERS.items():
            for row in self._table.select_in(stream, column, numbers[kind]):
                entry = self._loaded(row)
                self._known[stream, f"{kind}:{getattr(entry, column)}"] = entry
        for row in self._table.select_in(stream, "key", wanted):
            self._known[stream, row[1]] = self._loaded(row)

    def in_doubt(self) -> list[Entry]:
        """Return the entries with a write whose outcome is unknown."""
        return [_entry(row) for row in self._table.select("intent IS NOT NULL")]

    def restart(self, now_ms: int) -> None:
        """Restart every wait: Bookio's clock jumped, or is unknown (rule 1)."""
        for entry in self.in_doubt():
            # A request in flight has no end yet; its time is set when it is in doubt.
            if entry.intent is not None and entry.intent.state is IntentState.IN_DOUBT:
                self.put(entry._replace(intent=entry.intent.ended(now_ms)))
        self._table.flush()
        update = "UPDATE entries SET written_at = min(written_at, ?)"
        self.database.execute(update, (now_ms,))
        self._known.clear()
        self.windows.restart(now_ms)

    def put(self, entry: Entry) -> None:
        """Store an entry; the next ``commit`` makes it durable."""
        for name in entry.names:
            self._known[entry.stream, name] = entry
        self._table.put(entry.stream, entry.key, entry)

    def put_if_changed(self, entry: Entry) -> None:
        """Store an entry if it differs from the stored one."""
        # Most records of a run equal Bookio's rows. They cost no write, except once a day, so that
        # retention knows that the source still refers to the row.
        if entry != self.get(entry.stream, entry.key):
            self.put(entry)
        elif (key := (entry.stream, entry.key)) in self._stale:
            self._stale.remove(key)
            self._seen.append(key)

    def forget(self, entry: Entry) -> None:
        """Remove a row's entry."""
        self._known.update(dict.fromkeys((entry.stream, name) for name in entry.names))
        self._table.delete(entry.stream, entry.key)

    def forget_before(self, days: int, now_ms: int | None = None) -> None:
        """Forget rows that no record has referred to for that many days: see `retention`."""
        forget_unseen(self.database, days, _now_ms() if now_ms is None else now_ms)
        self._known.clear()
        self.commit()

    def on_commit(self, flush: Callable[[], None]) -> None:
        """Add a table that is written in the same transaction (rule 20)."""
        self._flushes.append(flush)

    def commit(self) -> None:
        """Flush everything to the disk, in one transaction."""
        self._flush()
        self.database.commit()

    def commit_then(self, done: Callable[[bool], None]) -> None:
        """Commit on another thread: see `Database.commit_then`."""
        # Pending changes go into this transaction now, so that what the caller changes meanwhile
        # belongs to the next one.
        self._flush()
        self.database.commit_then(done)

    def close(self) -> None:
        """Commit and close."""
        try:
            self._flush()
        finally:
            self.database.close()

    def _loaded(self, row: tuple[Any, ...]) -> Entry:
        """Return the entry of a row, and remember whether its time is stale."""
        entry = _entry(row)
        if is_stale(row[-1], self._opened_at):
            self._stale.add((entry.stream, entry.key))
        return entry

    def _flush(self) -> None:
        for flush in self._flushes:
            flush()
        seen, self._seen = self._seen, []
        touch(self.database, seen, _now_ms())


def _row(entry: Entry) -> tuple[Any, ...]:
    """Return the values of ``_COLUMNS``."""
    intent = None if entry.intent is None else msgspec.json.encode(entry.intent._asdict()).decode()
    return (
        *entry[:5],
        msgspec.json.encode(entry.agreed).decode(),
        msgspec.json.encode(entry.asked).decode(),
        msgspec.json.encode(entry.past).decode(),
        entry.written_at,
        intent,
        _now_ms(),
    )


def _entry(row: tuple[Any, ...]) -> Entry:
    stream, key, facility_id, remote_id, external_id, *texts, written_at, intent, _ = row
    agreed, asked = (msgspec.json.decode(text, type=dict[str, str]) for text in texts[:2])
    past = msgspec.json.decode(texts[2], type=tuple[str, ...])
    decoded = None if intent is None else _intent(intent)
    return Entry(
        stream, key, facility_id, remote_id, external_id, agreed, asked, past, written_at, decoded
    )


def _intent(text: str) -> Intent:
    fields = msgspec.json.decode(text)
    return Intent(**{**fields, "state": IntentState(fields["state"])})


def _now_ms() -> int:
    """Return this machine's time, which is precise enough to count days."""
    return int(time.time() * 1000)
