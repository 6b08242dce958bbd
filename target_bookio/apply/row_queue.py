"""What the journal is told of each record: its intent, its outcome, and that of an earlier run."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from target_bookio.journal.store import CONFIRMED, IN_DOUBT, REJECTED, SENT, Entry
from target_bookio.plan import operations
from target_bookio.plan.operations import CREATE, REMOVE
from target_bookio.plan.planner import UNCHANGED, Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bookio_api.errors import BookioError
    from target_bookio.desired import Desired
    from target_bookio.journal.store import Journal
    from target_bookio.plan.operations import Row
    from target_bookio.refresh.lookup import Verdict


@dataclass(slots=True)
class Work:
    """The records of one row that wait, and what is known of it."""

    waiting: deque[Desired]
    row: Row | None = None
    looked_up: str = ""
    """The key under which the row was looked up; empty if it is to be looked up anew."""
    visible: bool = True
    """Whether the list would have shown the row under this key."""
    doubts: int = 0
    """How often the first of those that wait was sent without a clear outcome."""
    refusal: BookioError | None = None
    """Bookio's answer that it holds this row already, or that what to remove is not there."""
    is_held: bool = False
    """Whether another row has this record's ``externalId``."""
    plan: Plan = field(default_factory=lambda: Plan(UNCHANGED))
    desired: Desired | None = None
    """The first of those that wait, with the wall times of its facility."""
    intent: Entry | None = None
    """What the journal says of the write in flight."""

    @property
    def stream(self) -> str:
        """The stream of its records."""
        return self.waiting[0].stream

    def finish(self) -> Desired:
        """Take off the first of those that wait."""
        self.doubts = 0
        return self.waiting.popleft()

    @property
    def names(self) -> set[str]:
        """Every key of its records and of its row."""
        of_row = set(_names_of(self.row)) if self.row else set()
        return of_row.union(*(desired.names for desired in self.waiting))

    @property
    def row_id(self) -> int | None:
        """Bookio's number of the row, where it is known."""
        return self.row.get("id") if self.row else None


class Ledger:
    """Writes a run's decisions into the journal; they last from its next commit on."""

    def __init__(self, journal: Journal) -> None:
        """Take the journal."""
        self._journal = journal
        self.digest = journal.digest
        self.commit = journal.commit

    def load(self, stream: str, records: Iterable[Desired]) -> None:
        """Read what the journal knows of these records, at once."""
        self._journal.load(stream, (record.key for record in records))

    def known(self, desired: Desired) -> Entry | None:
        """Return what the journal knows of a record's key."""
        return self._journal.get(desired.stream, desired.key)

    def names(self, desired: Desired) -> list[str]:
        """Return the keys under which a list may show the row of a record."""
        entry = self.known(desired)
        by_id = desired.id is None and entry is not None and entry.remote_id is not None
        return [desired.key, f"id:{entry.remote_id}"] if entry and by_id else [desired.key]

    def row_key(self, desired: Desired, other: str) -> str:
        """Return one key for all records of a row, as far as the journal knows; else ``other``."""
        entry = self._journal.get(desired.stream, other) or self.known(desired)
        return entry.key if entry else other

    def adopt(self, works: Iterable[Work]) -> None:
        """Let what is known of rows that were found be known under all of their numbers."""
        found = [(work, _names_of(work.row)) for work in works if work.row]
        for stream in {work.stream for work, _ in found}:
            self._journal.load(stream, (name for _, names in found for name in names))
        for work, names in found:
            known = (self._journal.get(work.stream, name) for name in names)
            entry = next((entry for entry in known if entry), None)
            if entry and entry.remote_id in {None, work.row_id}:
                number = (work.row or {}).get("externalId") or entry.external_id
                linked = entry._replace(remote_id=work.row_id, external_id=number)
                if any(self._journal.get(work.stream, name) != linked for name in linked.names):
                    self._journal.put(linked)

    def is_done(self, work: Work) -> bool:
        """Whether the next record, just as it is, is the one that was carried out last."""
        entry = self.known(work.waiting[0])
        return entry is not None and entry.past[-1:] == (self._identity(work.waiting[0]),)

    def passed(self, work: Work) -> int:
        """Return how many of the records that wait have been carried out and superseded.

        So it is where they begin as the row's past ends, as in a stream that is sent again. The
        last one that was carried out is not counted: whether it still holds is to be seen.
        """
        entry = self.known(work.waiting[0])
        past = entry.past if entry else ()
        if len(past) < 2 or len(work.waiting) < 2:  # noqa: PLR2004
            return 0
        each = [(key, len(list(same))) for key, same in groupby(map(self._identity, work.waiting))]
        waiting = tuple(key for key, _ in each)
        joins = (n for n in range(min(len(past), len(each)), 1, -1) if waiting[:n] == past[-n:])
        return sum(count for _, count in each[: next(joins, 1) - 1])

    def had_row(self, work: Work) -> bool:
        """Whether Bookio is known to have held a row for the next record."""
        return CREATE in self.applied(work.waiting[0])

    def applied(self, desired: Desired) -> Mapping[str, str]:
        """Return the digests of what Bookio is known to hold from us."""
        entry = self.known(desired)
        return entry.applied if entry else {}

    def sending(self, work: Work) -> None:
        """Note an intent. Commit before the first byte leaves."""
        desired, todo, known = _first(work), work.plan.steps, self.known(work.waiting[0])
        if known is not None and known.state == REJECTED:
            work.doubts = max(1, work.doubts)  # it failed before: that is no sign of silence
        intended: dict[str, str] = {}
        for step in todo:
            intended |= operations.intended(step, self.digest)
        applied = self.applied(desired)
        if CREATE in intended:
            created = operations.after(todo[0], None, None) or {}
            applied = operations.digests(desired, created, self.digest, created)
        work.intent = self._entry(work, SENT)._replace(
            remote_id=work.row_id,
            step=" ".join(step.operation for step in todo),
            intended=intended,
            applied=applied,
        )
        self._journal.put(work.intent)

    def in_doubt(self, work: Work) -> None:
        """Note that no answer came."""
        if work.intent:
            work.intent = work.intent._replace(state=IN_DOUBT)
            self._journal.put(work.intent)

    def done(self, work: Work) -> None:
        """Note that Bookio holds what the record says; ``work.row`` is its row, if there is one."""
        entry = self._entry(work, CONFIRMED)
        if work.row is not None:
            created = work.intent if work.intent and CREATE in work.intent.intended else None
            applied = created.applied if created else self._held(work)
            entry = entry._replace(remote_id=work.row_id, applied=applied)
        work.intent = None
        entry = entry.carried_out(entry.desired)
        if entry != self._journal.get(entry.stream, entry.key):
            self._journal.put(entry)

    def refused(self, work: Work, row: Row | None) -> None:
        """Note that Bookio refused; the same record may be tried again in a later run.

        ``row`` is as the steps before the refused one left it.
        """
        if work.intent:
            self._journal.put(self._as_done(work.intent, row).without_intent(REJECTED))
            work.intent = None

    def take_back(self, work: Work, row: Row | None = None) -> None:
        """Note that what was intended was not carried out, or only as far as ``row`` shows."""
        if work.intent:
            self._journal.forget(self._as_done(work.intent, row))
            work.intent = None

    def left_over(self) -> list[Entry]:
        """Return the intents without outcome of an earlier run."""
        return self._journal.unsettled()

    def settled(self, entry: Entry, verdict: Verdict) -> None:
        """Note what became of an intent of an earlier run."""
        if verdict.state == IN_DOUBT:
            self._journal.put(entry._replace(state=IN_DOUBT))
        elif verdict.state != CONFIRMED:
            self._journal.forget(self._as_done(entry, verdict.row))
        else:
            row = verdict.row
            created = CREATE in entry.intended  # then applied holds all that it was created with
            applied = entry.applied if created else _merged(entry.applied, entry.intended)
            self._journal.put(entry.carried_out(entry.desired)._replace(
                state=CONFIRMED, step="", intended={},
                remote_id=row.get("id") if row else None,
                applied={} if row is None or REMOVE in applied else applied,
            ))  # fmt: skip

    def _held(self, work: Work) -> Mapping[str, str]:
        """Return what Bookio now holds from us: what it held, what was sent, what was asked for."""
        sent = {name for step in work.plan.steps for name in step.changed}
        before = self.applied(_first(work))
        kept = {name: digest for name, digest in before.items() if name not in sent}
        return kept | operations.digests(_first(work), work.row or {}, self.digest, sent)

    def _as_done(self, entry: Entry, row: Row | None) -> Entry:
        """Return an entry with those of its intentions that a row shows to have come true."""
        done = {
            name: intended
            for name, intended in entry.intended.items()
            if row is not None and self.digest(row.get(name)) == intended
        }
        open_ends = {name: "" for name, intended in entry.intended.items() if not intended}
        return entry._replace(applied=_merged(entry.applied, {**done, **open_ends} if done else {}))

    def _entry(self, work: Work, state: str) -> Entry:
        desired, known = _first(work), self.known(work.waiting[0])
        row = work.row or {}
        facility = row.get("facilityId") or desired.facility_id
        numbers = (desired.external_id, row.get("externalId"), known and known.external_id)
        external_id = next((number for number in numbers if type(number) is int), None)
        return Entry(
            desired.stream,
            known.key if known else desired.key,
            state,
            facility,
            external_id=external_id,
            desired=work.intent.desired if work.intent else self._identity(work.waiting[0]),
            past=known.past if known else (),
        )

    def _identity(self, desired: Desired) -> str:
        values: dict[str, Any] = dict(desired.values)
        return self.digest([values, desired.deleted])


def _merged(applied: Mapping[str, str], done: Mapping[str, str]) -> dict[str, str]:
    """Return what is held once this is done; of what Bookio decided nothing is known."""
    return {name: digest for name, digest in {**applied, **done}.items() if digest}


def _names_of(row: Row | None) -> list[str]:
    """Return the keys of a row: by the clinic's number, then by Bookio's."""
    numbers = {name: (row or {}).get(name) for name in ("externalId", "id")}
    return [f"{name}:{number}" for name, number in numbers.items() if type(number) is int]


def _first(work: Work) -> Desired:
    return work.desired or work.waiting[0]
