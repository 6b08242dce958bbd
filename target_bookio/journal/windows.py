"""Rows that changed so recently that a list may show an older value; trust in lastSync.

docs/design/write-back.md, rules 4 to 8. None of this is part of the mirror, so that dropping or
renewing the mirror leaves it.
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
"""Stands for the facility where the token may not list any."""
MAX_KNOWN = 5_000
"""Maximum windows in memory."""
MAX_TRIALS = 20
"""Maximum trials per kind and facility: one missing write is enough."""


class Window(NamedTuple):
    """The time in which a list may show an earlier value of a row."""

    facility_id: int | None
    sent_at: int
    """A refresh asks back to here."""
    answered_at: int
    """The window runs from here, for ``resend_after_seconds``."""
    before: Mapping[str, tuple[str, ...]] = {}
    """Digests of the values that each field had in this window."""
    quarantined: bool = False
    """Whether the last write was found by its value: then nothing is written in the window."""

    def followed_by(self, later: Window) -> Window:
        """Return one window for both."""
        names = dict.fromkeys((*self.before, *later.before))
        both = {
            name: tuple(dict.fromkeys((*self.before.get(name, ()), *later.before.get(name, ()))))
            for name in names
        }
        quarantined = self.quarantined or later.quarantined
        sent_at = min(self.sent_at, later.sent_at)
        return later._replace(sent_at=sent_at, before=both, quarantined=quarantined)


class Trial(NamedTuple):
    """A write that an incremental list must show."""

    row_id: int
    kind: Effect
    sent_at: int


class Windows:
    """The windows and trials of one account."""

    def __init__(self, db: Database) -> None:
        """Use the tables of the journal's file."""
        self._db = db
        columns = ("stream", "row_id", "facility_id", "sent_at", "answered_at", "before")
        self._table = Table(db, "windows", (*columns, "quarantined"), _row)
        self._trials: list[tuple[str, int, int, Effect, int, int]] = []
        """Trials that are not in the file yet."""
        self._trials_noted: Counter[tuple[str, int | None, Effect]] = Counter()
        self._known: dict[tuple[str, int], Window | None] = {}

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
        """Free the memory of what was looked up or noted, if that is much."""
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()

    def open(self, stream: str, row_id: int, window: Window, *, is_new: bool = False) -> None:
        """Record that a row changed; an earlier window of it is merged into this one.

        A row that was just created has none, which spares looking.
        """
        self._forget_some()
        known = None if is_new else self.get(stream, row_id)
        if known is not None:
            window = known.followed_by(window)
        self._known[stream, row_id] = window
        self._table.put(stream, row_id, (stream, row_id, window))

    def quarantined(self) -> list[tuple[str, int, Window]]:
        """Return the rows in quarantine."""
        return [(row[0], row[1], _window(row)) for row in self._table.select("quarantined = 1")]

    def oldest_sent_at(self, stream: str, facility_id: int | None) -> int | None:
        """Return back to when a refresh of a facility must ask (rule 5)."""
        self._table.flush()
        query = "SELECT min(sent_at) FROM windows WHERE stream = ? AND facility_id IS ?"
        found: int | None = self._db.execute(query, (stream, facility_id))[0][0]
        return found

    def close_before(self, stream: str, facility_id: int | None, answered_at: int) -> None:
        """Close the windows of a facility that ended before a refresh."""
        self._table.flush()
        self._db.execute(
            "DELETE FROM windows WHERE stream = ? AND facility_id IS ? AND answered_at <= ?",
            (stream, facility_id, answered_at),
        )
        self._known.clear()

    def restart(self, now_ms: int) -> None:
        """Restart every window: Bookio's clock went back, or is unknown (rule 1)."""
        self.flush()
        update = "UPDATE windows SET answered_at = ?, sent_at = min(sent_at, ?)"
        self._db.execute(update, (now_ms, now_ms))
        self._db.execute("DELETE FROM trials")
        self._known.clear()

    def latest(self) -> int:
        """Return the latest moment that is noted, to see whether the clock went back."""
        self._table.flush()
        found: int | None = self._db.execute("SELECT max(answered_at) FROM windows")[0][0]
        return found or 0

    def add_trial(self, stream: str, facility_id: int | None, trial: Trial, now_ms: int) -> None:
        """Record a write that a later incremental list must show (rule 8)."""
        place = (stream, facility_id, trial.kind)
        if self._trials_noted[place] < MAX_TRIALS:
            self._trials_noted[place] += 1
            facility = ANYWHERE if facility_id is None else facility_id
            self._trials.append((stream, trial.row_id, facility, *trial[1:], now_ms))

    def trials_before(self, stream: str, facility_id: int | None, answered_at: int) -> list[Trial]:
        """Return the writes of a facility that a list must show by now."""
        self._flush_trials()
        return [
            Trial(row_id, Effect(kind), sent_at)
            for row_id, kind, sent_at in self._db.execute(
                "SELECT row_id, kind, sent_at FROM trials "
                "WHERE stream = ? AND facility_id = ? AND answered_at < ?",
                (stream, ANYWHERE if facility_id is None else facility_id, answered_at),
            )
        ]

    def end_trials(self, stream: str, trials: Iterable[Trial]) -> None:
        """Forget trials that ended."""
        keys = [(stream, trial.row_id, trial.kind) for trial in trials]
        self._db.executemany(
            "DELETE FROM trials WHERE stream = ? AND row_id = ? AND kind = ?", keys
        )

    def trust(
        self, stream: str, facility_id: int | None, kind: Effect, *, is_trusted: bool
    ) -> None:
        """Record whether ``lastSync`` returns writes of this kind; distrust is permanent."""
        self._db.execute(
            "INSERT INTO trust VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET is_trusted = min(is_trusted, excluded.is_trusted)",
            (stream, ANYWHERE if facility_id is None else facility_id, kind, int(is_trusted)),
        )

    def is_distrusted(self, stream: str, facility_id: int | None) -> bool:
        """Whether ``lastSync`` has missed a write in a facility."""
        query = "SELECT count(*) FROM trust WHERE stream = ? AND facility_id = ? AND is_trusted = 0"
        facility = ANYWHERE if facility_id is None else facility_id
        return bool(self._db.execute(query, (stream, facility))[0][0])

    def flush(self) -> None:
        """Write pending changes."""
        self._table.flush()
        self._flush_trials()

    def _flush_trials(self) -> None:
        noted, self._trials = self._trials, []
        if not noted:
            return
        self._db.executemany("INSERT OR REPLACE INTO trials VALUES (?, ?, ?, ?, ?, ?)", noted)


def _row(noted: tuple[str, int, Window]) -> tuple[object, ...]:
    *key, window = noted
    before = msgspec.json.encode(window.before).decode()
    return (*key, *window[:3], before, int(window.quarantined))


def _window(row: tuple[object, ...]) -> Window:
    _, _, facility_id, sent_at, answered_at, before, quarantined = row
    decoded = msgspec.json.decode(str(before), type=dict[str, tuple[str, ...]])
    return Window(facility_id, sent_at, answered_at, decoded, bool(quarantined))  # type: ignore[arg-type]
