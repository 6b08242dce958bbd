"""Finds the row of a record in Bookio, and its journal entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bookio_api.contract import CANCELLED, RESERVATIONS
from target_bookio.journal.entry import PERSON, PLACE, Entry
from target_bookio.refresh.listed_row import FIXED, Identity, identity
from target_bookio.refresh.mirror import ListedNumber

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_bookio.desired import Desired
    from target_bookio.journal.store import Journal
    from target_bookio.refresh.mirror import Mirror, Seen


class Located(NamedTuple):
    """A record's row and entry, if they are known."""

    seen: Seen | None
    entry: Entry | None
    duplicates: tuple[int, ...] = ()
    """Ids of the rows if the record may refer to more than one."""


class Locator:
    """Reads journal and mirror; it changes only the numbers of an entry whose row it found."""

    def __init__(self, journal: Journal, mirror: Mirror) -> None:
        """Take the journal and the mirror."""
        self._journal = journal
        self._mirror = mirror
        self._shows_numbers: dict[str, bool] = {}
        self._began_at: dict[tuple[str, int | None], int] = {}
        """When the journal's first list of each facility was read."""
        self._has_hidden: dict[str, bool] = {}
        """For each stream, whether any row was written by us and hides its number."""
        self._identities: dict[int, Identity] = {}
        """Identities of the bookings loaded last, by their position in the input."""

    def refreshed(self, stream: str) -> None:
        """Check again what the lists of a stream show, after a refresh."""
        self._has_hidden.pop(stream, None)
        self._shows_numbers[stream] = self._mirror.shows_our_numbers(stream)

    def is_blind(self, stream: str) -> bool:
        """Whether no list has shown our ``externalId`` yet."""
        return stream == RESERVATIONS and not self._shows_numbers.get(stream, False)

    def load(self, stream: str, records: Iterable[Desired]) -> None:
        """Read the rows and entries of many records at once."""
        records = list(records)
        self._identities.clear()
        names = {name for record in records for name in (record.key, *record.names)}
        self._journal.load(stream, names)
        numbers = {record.external_id for record in records if record.external_id is not None}
        entries = [self._journal.get(stream, record.key) for record in records]
        ids = {entry.remote_id for entry in entries if entry and entry.remote_id is not None}
        ids |= {record.id for record in records if record.id is not None}
        self._mirror.load(stream, ids, numbers)
        if self.is_blind(stream):
            places = (self.identity_of(record)[1] for record in records if record.id is None)
            self._mirror.load_places(place for place in places if place is not None)

    def locate(self, desired: Desired) -> Located:
        """Return the row of a record, and its entry."""
        stream = desired.stream
        entry = self._journal.get(stream, desired.key)
        # A record with both numbers may refer to a row that we wrote under its externalId alone.
        if entry is None and desired.id is not None and desired.external_id is not None:
            other = self._journal.get(stream, f"externalId:{desired.external_id}")
            if other is not None and other.remote_id in {None, desired.id}:
                entry = other
        # 1. By Bookio's id, from the record or from the journal.
        row_id = desired.id if entry is None or desired.id is not None else entry.remote_id
        seen = None if row_id is None else self._mirror.get(stream, row_id)
        duplicates: tuple[int, ...] = ()
        if desired.id is None:
            # 2. By externalId, or by a calendar's name. More than one such row is reported, even
            #    if the journal knows which of them is ours (rule 19).
            found = self._by_key(desired)
            live = [s for s in found if _is_live(s)]
            duplicates = tuple(s.id for s in live) if len(live) > 1 else ()
            # 3. The row that the journal knows was cancelled, and another one with our externalId
            #    was not: of two bookings, a person has cancelled the known one (rule 19).
            if seen is not None and len(live) == 1 and _is_superseded(seen, entry):
                seen = live[0]
            # 4. By the identity of a booking, where lists hide externalId (rule 21).
            seen = seen or (found[0] if found else self._by_identity(desired, entry))
        if seen is not None:
            entry = self._linked(stream, entry, seen)
        return Located(seen, entry, duplicates)

    def names(self, desired: Desired) -> set[str]:
        """Return all names under which this or another record may refer to the same row."""
        located = self.locate(desired)
        names = {desired.key, *desired.names}
        if located.entry is not None:
            names.update(located.entry.names)
        if located.seen is not None:
            names.update(names_of(located.seen))
        elif desired.stream == RESERVATIONS and self.is_blind(desired.stream):
            # Rule 22: records for identical bookings share a queue, so that only one creation is
            # in flight.
            names.add(f"booking:{self.identity_of(desired)}")
        return names

    def holder(self, desired: Desired, row_id: int | None) -> int | None:
        """Return the id of another row that already has the record's ``externalId``."""
        if desired.external_id is None:
            return None
        holders = self._mirror.holders(desired.stream, desired.external_id)
        return next((seen.id for seen in holders if seen.id != row_id), None)

    def identity_of(self, desired: Desired) -> Identity:
        """Return the digests that identify the booking that a record asks for."""
        known = self._identities.get(desired.place)
        if known is None:
            row = {**desired.values, FIXED: desired.fixed}
            known = identity(desired.stream, row, self._journal.digest)
            self._identities[desired.place] = known
        return known

    def unowned_twin(self, desired: Desired) -> Seen | None:
        """Return a row that equals this booking and that none of our keys refers to (rule 24).

        Never a cancelled one: the patient may have booked again.
        """
        unowned = self._unowned_rows(desired.stream, *self.identity_of(desired))
        # Identical bookings cannot be distinguished, so the oldest is as good as any.
        return min(filter(_is_live, unowned), key=lambda seen: seen.id, default=None)

    def may_be_cancelled(self, desired: Desired) -> bool:
        """Whether a cancelled row may be this booking, made before the journal began (rule 24)."""
        stream, facility_id = desired.stream, desired.facility_id
        hidden = [
            seen
            for seen in self._unowned_rows(stream, *self.identity_of(desired))
            if not _is_live(seen) and seen.listed_number is ListedNumber.LEFT_OUT
        ]
        if hidden and (stream, facility_id) not in self._began_at:
            self._began_at[stream, facility_id] = self._mirror.began_at(stream, facility_id)
        return any(seen.first_seen_at <= self._began_at[stream, facility_id] for seen in hidden)

    def may_be_hidden(self, desired: Desired) -> bool:
        """Whether a row whose ``externalId`` is left out may be this booking, as it was or moved.

        Of a record without its person, any row that none of our keys refers to.
        """
        stream, person = desired.stream, self.identity_of(desired).person
        if person is None:
            if stream not in self._has_hidden:
                self._has_hidden[stream] = self._mirror.has_hidden(stream)
            return self._has_hidden[stream]
        return any(
            _is_live(seen)
            and seen.listed_number is ListedNumber.LEFT_OUT
            and self._is_unowned(seen, stream)
            for seen in self._mirror.alike(stream, person, None)
        )

    def _by_key(self, desired: Desired) -> list[Seen]:
        if desired.external_id is not None:
            return self._mirror.holders(desired.stream, desired.external_id)
        if desired.key.startswith("name:"):
            name = desired.values["name"]
            return self._mirror.named(desired.stream, desired.facility_id, name)
        return []

    def _by_identity(self, desired: Desired, entry: Entry | None) -> Seen | None:
        """Return the row of a creation whose response had no id, where lists hide our number."""
        if entry is None or entry.remote_id is not None or PERSON not in entry.agreed:
            return None
        person, place = int(entry.agreed[PERSON]), int(entry.agreed[PLACE])
        # One that was cancelled before ours was created cannot be ours.
        unowned = (
            seen
            for seen in self._unowned_rows(desired.stream, person, place)
            if _is_live(seen) or seen.first_seen_at >= entry.written_at
        )
        return min(unowned, key=lambda seen: seen.id, default=None)

    def _unowned_rows(self, stream: str, person: int | None, place: int | None) -> list[Seen]:
        """Return the rows with this identity that none of our keys refers to."""
        if person is None or place is None or not self._mirror.has_place(place):
            return []
        return [
            seen
            for seen in self._mirror.same(stream, person, place)
            if self._is_unowned(seen, stream)
        ]

    def _is_unowned(self, seen: Seen, stream: str) -> bool:
        number = seen.row.get("externalId")
        return number is None and self._journal.get(stream, f"id:{seen.id}") is None

    def _linked(self, stream: str, entry: Entry | None, seen: Seen) -> Entry | None:
        """Return the entry of a row that was found, and store the row's numbers in it."""
        if entry is None:
            entry = self._journal.get(stream, f"id:{seen.id}")
        if entry is None:
            return None
        number = seen.row.get("externalId") or entry.external_id
        linked = entry._replace(remote_id=seen.id, external_id=number)
        if linked != entry:
            self._journal.put(linked)
        return linked


def _is_live(seen: Seen) -> bool:
    return bool(seen.row.get("status") != CANCELLED)


def _is_superseded(seen: Seen, entry: Entry | None) -> bool:
    """Whether an entry may refer to another row than to this cancelled one."""
    # A doubt is about the row that its request was sent to.
    return not _is_live(seen) and (entry is None or entry.intent is None)


def names_of(seen: Seen) -> list[str]:
    """Return the names of a mirrored row."""
    number = seen.row.get("externalId")
    return [f"id:{seen.id}", *([] if number is None else [f"externalId:{number}"])]
