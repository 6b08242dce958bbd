"""Records requests and their results: journal, mirror and windows in one transaction.

Rule 20 of docs/design/write-back.md: a response's entry, row and window become durable together,
with the next commit. If only some of them did, a list read after a kill could look like a person's
change, or our own write like one that never happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bookio_api.contract import RESERVATIONS, RESOURCES
from target_bookio.effects import EFFECTS, Effect
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
from target_bookio.refresh.listed_row import Identity, identity, mirrored_creation
from target_bookio.refresh.merge import REMOVED
from target_bookio.refresh.mirror import ListedNumber, Seen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_bookio.desired import Desired
    from target_bookio.journal.store import Journal
    from target_bookio.plan.operations import Row, Step
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

        ``who`` identifies a new booking; it is empty for other requests.
        """
        if entry is None:
            entry = Entry(desired.stream, desired.key)
        facility_id = (row or {}).get("facilityId") or desired.facility_id
        row_id = (row or {}).get("id", entry.remote_id)
        intended = operations.intended(step, self.digest)
        if step.effect is Effect.CREATE:
            intended = self._intended_creation(desired, step)
            row_id = None  # the entry may have the id of an earlier row, which was removed
        intent = Intent(
            IntentState.SENT,
            step.operation,
            self._clock.now_ms(),
            intended=intended,
            before=operations.values_before(step, row, self.digest),
            wish=desired.wish,
            person=who.person,
            place=who.place,
            asked_end=self._asked_end(desired, step),
        )
        number = desired.external_id if entry.external_id is None else entry.external_id
        if step.effect is Effect.SYNC:
            number = entry.external_id  # the row has the new one only once Bookio confirms it
        intended_entry = entry._replace(
            facility_id=facility_id, remote_id=row_id, external_id=number, intent=intent
        )
        self._journal.put(intended_entry)
        return intended_entry

    def doubt(self, entry: Entry) -> Entry:
        """Record that an attempt has just ended without a response (rule 2)."""
        assert entry.intent is not None, "only a sent request can be in doubt"
        doubtful = entry._replace(intent=entry.intent.ended(self._clock.now_ms()))
        self._journal.put(doubtful)
        return doubtful

    def withdraw(self, entry: Entry) -> None:
        """Record that a request was not carried out."""
        closed = entry._replace(intent=None)
        # An entry that was made only for the intent would look like a row that we wrote.
        if closed.agreed or closed.past or closed.remote_id is not None:
            self._journal.put(closed)
        else:
            self._journal.forget(closed)

    def answered(self, entry: Entry, step: Step, row_id: int | None, desired: Desired) -> Entry:
        """Record a successful request: entry, row, window and trial."""
        is_creation = step.effect is Effect.CREATE
        old = None if row_id is None or is_creation else self._mirror.get(entry.stream, row_id)
        row = operations.after(step, old and old.row, row_id)
        assert entry.intent is not None, "only a sent request can be answered"
        # 1. A removal: while the window is open, a list that shows the row is late.
        if step.effect is Effect.REMOVE and row_id is not None:
            self._mirror.remove(entry.stream, row_id)
            self._open_window(entry, entry.intent, row_id, {REMOVED: ("",)})
        # 2. A change of a row that the mirror does not have yet: the next list will show it.
        elif old is None and row_id is not None and not is_creation:
            self._open_window(entry, entry.intent, row_id, {})
        # 3. A creation, or a change of a mirrored row. If the response to a creation has no id,
        #    only the entry records it, until a list shows the row.
        elif row is not None and row_id is not None:
            if is_creation:
                row = mirrored_creation(entry.stream, row, desired.fixed)
            self._write_through(entry, entry.intent, step, row, old)
        return self._confirmed(entry, entry.intent, row_id, step, desired)

    def found(self, entry: Entry, row_id: int | None, *, by_value: bool) -> Entry:
        """Record a request that, according to a list, was carried out."""
        intent = entry.intent
        assert intent is not None, "only a sent request can be found"
        if by_value and row_id is not None:
            # Rule 14: a person may have made the same change, and ours may still be on its way.
            # So nothing else is written to the row within its window.
            before = {name: (digest,) for name, digest in intent.before.items()}
            self._open_window(entry, intent, row_id, before, quarantined=True)
        seen = None if row_id is None else self._mirror.get(entry.stream, row_id)
        if entry.stream == RESERVATIONS and seen is not None:
            intent = self._with_their_end(intent, seen.row)
        is_creation = EFFECTS[intent.operation] is Effect.CREATE
        if is_creation and seen is not None and entry.external_id is not None:
            self._set_external_id(entry.stream, seen, entry.external_id)
        return self._confirmed(entry, intent, row_id, None, None)

    def adopt(self, desired: Desired, seen: Seen) -> None:
        """Record that a row without ``externalId`` belongs to this record (rule 24)."""
        assert desired.external_id is not None, "only records with an externalId adopt rows"
        # Where the list shows that the row has no externalId, the next plan gives it ours.
        if seen.listed_number is not ListedNumber.EMPTY:
            self._set_external_id(desired.stream, seen, desired.external_id)
        facility, row_id = seen.row.get("facilityId"), seen.id
        # Whoever booked it, Bookio has decided its end: no e-mail is sent about another one.
        end = desired.values.get("dateTo")
        asked = {} if end is None else {"dateTo": self.digest(end)}
        self._journal.put(
            Entry(desired.stream, desired.key, facility, row_id, desired.external_id, asked=asked)
        )

    def agree(self, desired: Desired, entry: Entry | None, row: Row | None, plan: Plan) -> None:
        """Record that Bookio agrees with a record (rule 9)."""
        if row is None:  # both sides agree that the row does not exist
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
        """Add a record that was carried out to the history of its row (rule 11)."""
        self._journal.put_if_changed(entry.settled(wish))

    def refuse(self, desired: Desired) -> None:
        """Add a record that was rejected, or is in conflict, to the history of its row (rule 11).

        If the source sends its stream again after a later record was settled, the refused one is
        history as well.
        """
        stream, names = desired.stream, (desired.key, *desired.names)
        entry = next(filter(None, (self._journal.get(stream, name) for name in names)), None)
        if entry is None:
            # A row with an id that no list shows cannot get any later record carried out.
            if desired.id is not None and self._mirror.get(stream, desired.id) is None:
                return
            entry = Entry(stream, desired.key, desired.facility_id)
        self._journal.put_if_changed(entry.refused(desired.wish))

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

    def undecidable(self, entry: Entry) -> None:
        """Record that no list can show the outcome of a request (rules 10 and 15).

        The intent of a creation stays in the journal: it is the only guard against a second one.
        After a change, the agreed values of its fields are unknown.
        """
        assert entry.intent is not None, "only a doubt can be undecidable"
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

    def _asked_end(self, desired: Desired, step: Step) -> str:
        """Return the digest of the end that a creation or a move asks for, or nothing."""
        end = desired.values.get("dateTo")
        sets_term = step.effect in {Effect.CREATE, Effect.TERM}
        return self.digest(end) if sets_term and end is not None else ""

    def _with_their_end(self, intent: Intent, row: Row) -> Intent:
        """Return a move that was found; if Bookio set another end, none is agreed.

        Nor is Bookio's: our request may still be on its way, and change the end again (rule 14).
        """
        sent = intent.intended.get("dateTo")
        if not sent or sent == self.digest(row.get("dateTo")):
            return intent
        return intent._replace(intended={**intent.intended, "dateTo": ""})

    def _intended_creation(self, desired: Desired, step: Step) -> dict[str, str]:
        """Return what is agreed about a new row, once it is confirmed."""
        row = operations.after(step, None, None) or {}
        values = {
            name: self.digest(row[name]) for name in AGREED_FIELDS if row.get(name) is not None
        }
        return {EXISTS: self.digest(operations.fixed_values(desired)), **values}

    def _set_external_id(self, stream: str, seen: Seen, external_id: int) -> None:
        """Give a mirrored row our ``externalId``, unless its list shows one."""
        if seen.row.get("externalId") is None:
            self._mirror.put(stream, seen._replace(row={**seen.row, "externalId": external_id}))

    def _write_through(
        self, entry: Entry, intent: Intent, step: Step, row: Row, old: Seen | None
    ) -> None:
        """Put a row into the mirror as a confirmed write left it, and open its window."""
        row_id = int(row["id"])
        if old is None:
            seen = Seen(row, intent.person, intent.place, first_seen_at=intent.sent_at)
        else:
            who = identity(entry.stream, row, self.digest)
            seen = old._replace(row=row, person=who.person, place=who.place)
        self._mirror.put(entry.stream, seen)
        old_values = old.row if old else {}
        before = {
            name: (self.digest(old_values[name]),)
            for name in step.changed
            if old_values.get(name) is not None and old_values[name] != row.get(name)
        }
        self._open_window(entry, intent, row_id, before, is_new=old is None)
        # A stream without lastSync has nothing to put on trial (rule 8).
        trial = Trial(row_id, step.effect, intent.sent_at)
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
        """Open a row's window: from the end of the attempt or, for a response just in, from now."""
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
        """Close an intent: what it wrote is agreed (rule 9). ``step`` is None if it was found."""
        effect = EFFECTS[intent.operation]
        agreed = dict(entry.agreed)
        for name, digest in intent.intended.items():
            agreed.pop(name, None)
            if digest:  # not a value that Bookio decides
                agreed[name] = digest
        asked, number = dict(entry.asked), entry.external_id
        if effect is Effect.REMOVE:
            agreed, row_id = {}, None
        elif effect is Effect.CREATE:
            agreed = dict(intent.intended)
            # The response had no id: these digests find the row in the next list (rule 21).
            if row_id is None and intent.person is not None and intent.place is not None:
                agreed |= {PERSON: str(intent.person), PLACE: str(intent.place)}
        if effect is Effect.SYNC and step is not None and desired is not None:
            number = desired.external_id
        if intent.asked_end:
            asked["dateTo"] = intent.asked_end
        confirmed = entry._replace(
            remote_id=row_id,
            external_id=number,
            agreed=agreed,
            asked=asked,
            written_at=self._clock.now_ms(),
            intent=None,
        )
        if step is None:  # the record may never arrive again, for instance after a kill
            confirmed = confirmed.settled(intent.wish)
        self._journal.put(confirmed)
        return confirmed
