"""Rows that changed so recently that a list may show an older value; trust in ``lastSync``.

Rules 4 to 8 of docs/design/write-back.md. None of this is part of the mirror, so dropping or
renewing the mirror keeps it (rule 7).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from target_bookio.effects import Effect
from target_bookio.journal.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_bookio.journal.database import Database

ANYWHERE = -1
"""Stands for the facility if the token cannot list facilities."""
MAX_KNOWN = 5_000
"""Maximum windows in memory."""
MAX_TRIALS = 20
"""Maximum trials per kind and facility in a run: one missing write is enough (rule 8)."""


class Window(NamedTuple):
    """The time in which a list may show an earlier value of a row."""

    facility_id: int | None
    sent_at: int
    """When the write was sent: a refresh reads the changes since then (rule 5)."""
    answered_at: int
    """When its response came: the window ends ``resend_after_seconds`` later."""
    before: Mapping[str, tuple[str, ...]] = {}
    """Digests of the earlier values of each field, which a list may still show (rule 6)."""
    quarantined: bool = False
    """Whether the last write was found by its value: nothing is written then (rule 14)."""

    def followed_by(self, later: Window) -> Window:
        """Return one window for both."""
        # A list may still show any value since the first change, so `before` and `sent_at` keep the
        # older ones; the wait starts at the later response.
        names = dict.fromkeys((*self.before, *later.before))
        both = {
            name: tuple(dict.fromkeys((*self.before.get(name, ()), *later.before.get(name, ()))))
            for name in names
        }
        quarantined = self.quarantined or later.quarantined
        sent_at = min(self.sent_at, later.sent_at)
        return later._replace(sent_at=sent_at, before=both, quarantined=quarantined)


class Trial(NamedTuple):
    """A write that an incremental list must show, or ``lastSync`` is not trusted (rule 8)."""

    row_id: int
    kind: Effect
    sent_at: int


class Windows:
    """The windows and trials of one account."""

    def __init__(self, db: Database) -> None:
        """Use the tables of the journal's file."""
        self._db = db
        columns = "stream, row_id, facility_id, sent_at, answered_at, before, quarantined"
        self._table = Table(db, "windows", columns, _row)
        self._trials: list[tuple[str, int, int, Effect, int, int]] = []
        """Trials that are not in the file yet."""
        self._trial_counts: Counter[tuple[str, int | None, Effect]] = Counter()
        """How many this run has added, by stream, facility and kind."""
        self._known: dict[tuple[str, int], Window | None] = {}
        """Recently used windows, by stream and row; ``None`` if there is no window."""

    def load(self, stream: str, ids: Iterable[int]) -> None:
        """Look up many rows at once."""
        self._forget_some()
        wanted = [row_id for row_id in ids if (stream, row_id) not in self._known]
        self._known.update(dict.fromkeys((stream, row_id) for row_id in wanted))
        for row in self._table.select_in(stream, "row_id", wanted):
            self._known[stream, row[1]] = _window(row)

    def get(self, stream: str, row_id: int) -> Window | None:
        """Return the window of a row."""
        if (stream, row_id) not in self._known:
            self.load(stream, [row_id])
        return self._known[stream, row_id]

    def _forget_some(self) -> None:
        """Free the memory of lookups, if there are many."""
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()

    def open(self, stream: str, row_id: int, window: Window, *, is_new: bool = False) -> None:
        """Record that a row changed; its earlier window is merged into this one.

        A new row, ``is_new``, has none, which saves a lookup.
        """
        self._forget_some()
        known = None if is_new else self.get(stream, row_id)
        if known is not None:
            window = known.followed_by(window)
        self._known[stream, row_id] = window
        self._table.put(stream, row_id, (stream, row_id, window))

    def quarantined(self) -> list[tuple[str, int, Window]]:
        """Return the quarantined rows (rule 14)."""
        return [(row[0], row[1], _window(row)) for row in self._table.select("quarantined = 1")]

    def oldest_sent_at(self, stream: str, facility_id: int | None) -> int | None:
        """Return the time since which a refresh of a facility must read changes (rule 5)."""
        self._table.flush()
        condition, values = _scope(stream, facility_id)
        query = f"SELECT min(sent_at) FROM windows WHERE {condition}"  # noqa: S608 - only constants
        found: int | None = self._db.execute(query, values)[0][0]
        return found

    def close_before(self, stream: str, facility_id: int | None, answered_at: int) -> None:
        """Close the windows of a facility whose write was answered by then (rule 5)."""
        # Only a refresh that began after a window closes it: until then the mirror may be older.
        self._table.flush()
        condition, values = _scope(stream, facility_id)
        delete = f"DELETE FROM windows WHERE {condition} AND answered_at <= ?"  # noqa: S608
        self._db.execute(delete, (*values, answered_at))
        self._known.clear()

    def restart(self, now_ms: int) -> None:
        """Restart every window: Bookio's clock went back, or is unknown (rule 1)."""
        # The stored times belong to the old clock, so waits start now. Trials end: whether a list
        # covered their writes can no longer be decided.
        self.flush()
        update = "UPDATE windows SET answered_at = ?, sent_at = min(sent_at, ?)"
        self._db.execute(update, (now_ms, now_ms))
        self._db.execute("DELETE FROM trials")
        self._known.clear()

    def latest(self) -> int:
        """Return the latest recorded time, to detect a clock that went back."""
        self._table.flush()
        found: int | None = self._db.execute("SELECT max(answered_at) FROM windows")[0][0]
        return found or 0

    def add_trial(self, stream: str, facility_id: int | None, trial: Trial, now_ms: int) -> None:
        """Record a write that a later incremental list must show (rule 8)."""
        place = (stream, facility_id, trial.kind)
        if self._trial_counts[place] < MAX_TRIALS:
            self._trial_counts[place] += 1
            facility = facility_key(facility_id)
            self._trials.append((stream, trial.row_id, facility, *trial[1:], now_ms))

    def trials_before(self, stream: str, facility_id: int | None, answered_at: int) -> list[Trial]:
        """Return the trials of a facility whose write was answered before then."""
        self._flush_trials()
        condition, values = _scope(stream, facility_id)
        query = (
            "SELECT row_id, kind, sent_at FROM trials "  # noqa: S608 - only constants
            f"WHERE {condition} AND answered_at < ?"
        )
        rows = self._db.execute(query, (*values, answered_at))
        return [Trial(row_id, Effect(kind), sent_at) for row_id, kind, sent_at in rows]

    def end_trials(self, stream: str, trials: Iterable[Trial]) -> None:
        """Delete trials."""
        keys = [(stream, trial.row_id, trial.kind) for trial in trials]
        self._db.executemany(
            "DELETE FROM trials WHERE stream = ? AND row_id = ? AND kind = ?", keys
        )

    def trust(
        self, stream: str, facility_id: int | None, kind: Effect, *, is_trusted: bool
    ) -> None:
        """Record whether ``lastSync`` returns writes of this kind."""
        # min: distrust is permanent (rule 8). A list that shows one write may miss the next.
        self._db.execute(
            "INSERT INTO trust VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET is_trusted = min(is_trusted, excluded.is_trusted)",
            (stream, facility_key(facility_id), kind, int(is_trusted)),
        )

    def is_distrusted(self, stream: str, facility_id: int | None) -> bool:
        """Whether ``lastSync`` has missed a write of any kind in a facility."""
        query = "SELECT count(*) FROM trust WHERE stream = ? AND facility_id = ? AND is_trusted = 0"
        return bool(self._db.execute(query, (stream, facility_key(facility_id)))[0][0])

    def flush(self) -> None:
        """Write pending changes."""
        self._table.flush()
        self._flush_trials()

    def _flush_trials(self) -> None:
        added, self._trials = self._trials, []
        if added:
            self._db.executemany("INSERT OR REPLACE INTO trials VALUES (?, ?, ?, ?, ?, ?)", added)


def _scope(stream: str, facility_id: int | None) -> tuple[str, tuple[object, ...]]:
    """Return a condition for the rows of one list, and its values."""
    # A token that cannot list facilities reads all of them in one list.
    if facility_id is None:
        return "stream = ?", (stream,)
    return "stream = ? AND facility_id = ?", (stream, facility_id)


def facility_key(facility_id: int | None) -> int:
    """Return what stands for a facility in a primary key, which cannot be NULL."""
    return ANYWHERE if facility_id is None else facility_id


def _row(keyed: tuple[str, int, Window]) -> tuple[object, ...]:
    *key, window = keyed
    before = msgspec.json.encode(window.before).decode()
    return (*key, *window[:3], before, int(window.quarantined))


def _window(row: tuple[object, ...]) -> Window:
    _, _, facility_id, sent_at, answered_at, before, quarantined = row
    decoded = msgspec.json.decode(str(before), type=dict[str, tuple[str, ...]])
    return Window(facility_id, sent_at, answered_at, decoded, bool(quarantined))  # type: ignore[arg-type]
