"""Records requests and their results: journal, mirror and windows in one transaction.

Rule 20 of docs/design/write-back.md: a response's entry, row and window become durable together,
with the next commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bookio_api.contract import RESOURCES
from target_bookio.journal.entry import (
    EXISTS,
    PERSON,
    PLACE,
    UNKNOWN,
    Entry,
    Intent,
    IntentState,
)
from target_bookio.journal.windows import Trial, Window
from target_bookio.plan import operations
from target_bookio.plan.comparison import AGREED_FIELDS, agreed_after_match
from target_bookio.plan.operations import EFFECTS, Effect, Step
from target_bookio.refresh.listed_row import Identity, identity, mirrored_creation
from target_bookio.refresh.merge import REMOVED
from target_bookio.refresh.mirror import Seen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_bookio.desired import Desired
    from target_bookio.journal.store import Journal
    from target_bookio.plan.operations import Row
    from target_bookio.plan.plan import Plan
    from target_bookio.refresh.mirror import Mirror
    from target_bookio.refresh.server_clock import ServerClock


class Bookkeeper:
    """Keeps the books of one run: journal, mirror and windows."""

    def __init__(self, journal: Journal, mirror: Mirror, clock: ServerClock) -> None:
        """Take the books."""
        self._journal = journal
        self._mirror = mirror
        self._clock = clock
        self.digest = journal.digest

    def wish_of(self, desired: Desired) -> str:
        """Return the digest of a record."""
        values: dict[str, Any] = dict(desired.values)
        return self.digest([values, desired.deleted])

    def entry(self, stream: str, key: str) -> Entry:
        """Return the entry of a row that is known to have one."""
        entry = self._journal.get(stream, key)
        assert entry is not None, "a row that is written has an entry"
        return entry

    def intend(
        self, desired: Desired, entry: Entry | None, row: Row | None, step: Step, who: Identity
    ) -> Entry:
        """Record an intent. Commit before its first byte is sent (rule 12).

        ``who`` is what identifies a new booking.
        """
        if entry is None:
            entry = Entry(desired.stream, desired.key)
        facility_id = (row or {}).get("facilityId") or desired.facility_id
        row_id = (row or {}).get("id", entry.remote_id)
        intended = operations.intended(step, self.digest)
        if step.effect is Effect.CREATE:
            intended = self._intended_creation(desired, step)
            row_id = None
        intent = Intent(
            IntentState.SENT,
            step.operation,
            self._clock.now_ms(),
            intended=intended,
            before=operations.values_before(step, row, self.digest),
            wish=desired.wish,
            person=who.person,
            place=who.place,
        )
        number = desired.external_id if entry.external_id is None else entry.external_id
        if step.effect is Effect.SYNC:
            number = entry.external_id
        noted = entry._replace(
            facility_id=facility_id, remote_id=row_id, external_id=number, intent=intent
        )
        self._journal.put(noted)
        return noted

    def doubt(self, entry: Entry) -> Entry:
        """Record that an attempt has just ended without a response (rule 2)."""
        assert entry.intent is not None, "only what was sent can be in doubt"
        state, now = IntentState.IN_DOUBT, self._clock.now_ms()
        doubtful = entry._replace(intent=entry.intent._replace(state=state, ended_at=now))
        self._journal.put(doubtful)
        return doubtful

    def take_back(self, entry: Entry) -> None:
        """Record that a request was not carried out."""
        closed = entry._replace(intent=None)
        if closed.agreed or closed.past or closed.remote_id is not None:
            self._journal.put(closed)
        else:
            self._journal.forget(closed)

    def answered(self, entry: Entry, step: Step, row_id: int | None, desired: Desired) -> Entry:
        """Record a successful request: entry, row, window and trial."""
        is_creation = (
            step.effect is Effect.CREATE
        )  # then no row is mirrored, so do not look for one
        old = None if row_id is None or is_creation else self._mirror.get(entry.stream, row_id)
        row = operations.after(step, old and old.row, row_id)
        assert entry.intent is not None, "only what was sent can be answered"
        if step.effect is Effect.REMOVE and row_id is not None:
            self._mirror.remove(entry.stream, row_id)
            self._open_window(entry, entry.intent, row_id, {REMOVED: ("",)})
        elif old is None and row_id is not None and step.effect is not Effect.CREATE:
            # No list has shown it yet: the next refresh will.
            self._open_window(entry, entry.intent, row_id, {})
        elif row is not None and row_id is not None:
            if is_creation:
                row = mirrored_creation(entry.stream, row, desired.fixed)
            self._write_through(entry, entry.intent, step, row, old)
        return self._confirmed(entry, entry.intent, row_id, step, desired)

    def found(self, entry: Entry, row_id: int | None, *, by_value: bool) -> Entry:
        """Record a request that, according to a list, was carried out."""
        intent = entry.intent
        assert intent is not None, "only what was sent can be found"
        if by_value and row_id is not None:
            # A person may have done the same while ours is in flight: no write until then (14).
            before = {name: (digest,) for name, digest in intent.before.items()}
            self._open_window(entry, intent, row_id, before, quarantined=True)
        seen = None if row_id is None else self._mirror.get(entry.stream, row_id)
        if (
            seen is not None
            and seen.row.get("externalId") is None
            and (entry.external_id is not None and EFFECTS[intent.operation] is Effect.CREATE)
        ):
            self.give_number(entry.stream, seen, entry.external_id)
        return self._confirmed(entry, intent, row_id, None, None)

    def give_number(self, stream: str, seen: Seen, external_id: int) -> None:
        """Record the ``externalId`` of a row if lists do not show it."""
        self._mirror.put(stream, seen._replace(row={**seen.row, "externalId": external_id}))

    def adopt(self, desired: Desired, seen: Seen) -> None:
        """Record that a row without ``externalId`` belongs to this record (rule 24)."""
        assert desired.external_id is not None, "a row is adopted for its number"
        self.give_number(desired.stream, seen, desired.external_id)
        facility, row_id = seen.row.get("facilityId"), seen.id
        entry = Entry(desired.stream, desired.key, facility, row_id, desired.external_id)
        self._journal.put(entry)

    def agree(self, desired: Desired, entry: Entry | None, row: Row | None, plan: Plan) -> None:
        """Record that Bookio agrees with a record (rule 9)."""
        if row is None:
            if entry is not None:
                gone = entry._replace(agreed={}) if desired.deleted else entry
                self._journal.put_if_changed(gone.settled(desired.wish))
            return
        entry = entry or Entry(desired.stream, desired.key)
        agreed, asked = agreed_after_match(desired, row, self.digest)
        if EXISTS not in entry.agreed and not plan.fixed:
            agreed[EXISTS] = self.digest(operations.fixed_values(desired))
        number = row.get("externalId") or desired.external_id
        agreed_entry = entry._replace(
            facility_id=row.get("facilityId") or desired.facility_id,
            remote_id=row.get("id", entry.remote_id),
            external_id=entry.external_id if number is None else number,
            agreed={**entry.agreed, **agreed},
            asked={**entry.asked, **asked},
        )
        self._journal.put_if_changed(agreed_entry.settled(desired.wish))

    def settle(self, entry: Entry, wish: str) -> None:
        """Record that a record was carried out."""
        self._journal.put_if_changed(entry.settled(wish))

    def dispute(self, desired: Desired, entry: Entry | None, row: Row | None, plan: Plan) -> None:
        """Record that the agreed values of some fields are unknown (rule 10)."""
        if not plan.disputed:
            return
        entry = entry or Entry(desired.stream, desired.key)
        unknown = dict.fromkeys(plan.disputed, UNKNOWN)
        self._journal.put_if_changed(
            entry._replace(
                facility_id=(row or {}).get("facilityId", entry.facility_id),
                remote_id=(row or {}).get("id", entry.remote_id),
                agreed={**entry.agreed, **unknown},
            )
        )

    def untellable(self, entry: Entry) -> None:
        """Record that no list can show the outcome of a request.

        A creation stays in the journal as it is, the only guard against a second one. Of a changed
        row nobody knows any more what is agreed (rule 10).
        """
        assert entry.intent is not None, "only a doubt can be untellable"
        if EFFECTS[entry.intent.operation] is not Effect.CREATE:
            unknown = dict.fromkeys(entry.intent.intended, UNKNOWN)
            agreed = {**entry.agreed, **unknown}
            self._journal.put(entry._replace(agreed=agreed, intent=None))

    def removed(self, entry: Entry, *, forget_id: bool) -> None:
        """Record that Bookio no longer has the row, according to its response (rule 17)."""
        if entry.remote_id is not None:
            self._mirror.remove(entry.stream, entry.remote_id)
        remote_id = None if forget_id else entry.remote_id
        self._journal.put(entry._replace(intent=None, remote_id=remote_id))

    def _intended_creation(self, desired: Desired, step: Step) -> dict[str, str]:
        """Return the agreed values of a new row."""
        row = operations.after(step, None, None) or {}
        held = {name: self.digest(row[name]) for name in AGREED_FIELDS if row.get(name) is not None}
        return {EXISTS: self.digest(operations.fixed_values(desired)), **held}

    def _write_through(
        self, entry: Entry, intent: Intent, step: Step, row: Row, old: Seen | None
    ) -> None:
        shown, first_seen_at = (old.shows_external_id, old.first_seen_at) if old else (False, 0)
        if step.effect is Effect.CREATE:
            first_seen_at = intent.sent_at
            who = Identity(intent.person, intent.place)
        else:
            who = identity(entry.stream, row, self.digest)
        self._mirror.put(entry.stream, Seen(row, *who, first_seen_at, shown))
        before = {} if old is None else {
            name: (self.digest(old.row[name]),)
            for name in step.changed
            if old.row.get(name) is not None and old.row[name] != row.get(name)
        }  # fmt: skip
        self._open_window(entry, intent, int(row["id"]), before, is_new=old is None)
        trial = Trial(int(row["id"]), step.effect, intent.sent_at)
        if RESOURCES[entry.stream].date_filters:
            now = self._clock.now_ms()
            self._journal.windows.add_trial(entry.stream, entry.facility_id, trial, now)

    def _open_window(
        self,
        entry: Entry,
        intent: Intent,
        row_id: int,
        before: Mapping[str, tuple[str, ...]],
        *,
        is_new: bool = False,
        quarantined: bool = False,
    ) -> None:
        """Open the window of a row, from the attempt's end if it is known, or from now."""
        answered_at = intent.ended_at or self._clock.now_ms()
        window = Window(entry.facility_id, intent.sent_at, answered_at, before, quarantined)
        self._journal.windows.open(entry.stream, row_id, window, is_new=is_new)

    def _confirmed(
        self,
        entry: Entry,
        intent: Intent,
        row_id: int | None,
        step: Step | None,
        desired: Desired | None,
    ) -> Entry:
        effect = EFFECTS[intent.operation]
        agreed = dict(entry.agreed)
        for name, digest in intent.intended.items():
            agreed.pop(name, None)
            if digest:
                agreed[name] = digest
        asked, number = dict(entry.asked), entry.external_id
        if effect is Effect.REMOVE:
            agreed, row_id = {}, None
        elif effect is Effect.CREATE:
            agreed = dict(intent.intended)
            if row_id is None and intent.person is not None and intent.place is not None:
                agreed |= {PERSON: str(intent.person), PLACE: str(intent.place)}
        if step is not None and desired is not None:
            if effect is Effect.SYNC:
                number = desired.external_id
            if (end := desired.values.get("dateTo")) is not None:
                asked["dateTo"] = self.digest(end)
        confirmed = entry._replace(
            remote_id=row_id,
            external_id=number,
            agreed=agreed,
            asked=asked,
            written_at=self._clock.now_ms(),
            intent=None,
        )
        if step is None:  # of an earlier run, or found: the record may not come again
            confirmed = confirmed.settled(intent.wish)
        self._journal.put(confirmed)
        return confirmed
