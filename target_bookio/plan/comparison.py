"""Compares a record, Bookio's row and what was last agreed, field by field (rules 9 and 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bookio_api.contract import CALENDARS, FIRST_STATUS, RESERVATIONS, TERM, ReservationStatus
from bookio_api.schemas import write_schema
from target_bookio.journal.entry import EXISTS, UNKNOWN, Entry
from target_bookio.plan.operations import Digest, Row, fixed_values, without_ids
from target_bookio.plan.same_meaning import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_bookio.desired import Desired

AGREED_FIELDS = ("externalId", *TERM, "status")
"""The agreed fields of a reservation or blocked time; of a calendar, all fields."""


class Comparison(NamedTuple):
    """The three sides of one record."""

    desired: Desired
    """The record, with wall times."""
    row: Row
    """Bookio's row, from `known_row`."""
    entry: Entry | None
    """The journal's entry for the row."""
    digest: Digest

    @property
    def agreed(self) -> Mapping[str, str]:
        """Digests of what was last agreed, by field."""
        return self.entry.agreed if self.entry else {}

    def stale_fields(self) -> tuple[str, ...]:
        """Return fields whose value in Bookio differs from what the source had read."""
        return tuple(
            name
            for name, value in self.desired.expected.items()
            if self.row.get(name) is not None and self.row[name] != value
        )

    def is_disputed(self, name: str) -> bool:
        """Whether somebody changed a field that the record wants changed.

        1. Bookio has the record's value, or shows none: no dispute.
        2. The source has read exactly this value: it knows what it changes.
        3. Something was agreed: a dispute unless Bookio still has it. Unknown is never agreed.
        4. Nothing was agreed, and the field is the status: all new reservations have the same, so
           another one was set by somebody. If no entry shows that the row is ours, a record that
           refers to it by Bookio's ``id`` is the first one from here, and is carried out.
        5. Nothing was agreed about the term: a row that shows our number without an entry (a
           journal that was lost) is disputed. Bookio decides an end itself, so that is not.
        """
        theirs = self.row.get(name)
        if theirs is None or theirs == self.desired.values.get(name):
            return False
        if name in self.desired.expected:
            return False
        if (agreed := self.agreed.get(name)) is not None:
            return agreed == UNKNOWN or agreed != self.digest(theirs)
        is_named_by_id = self.desired.id is not None
        if name == "status":
            return bool(theirs != FIRST_STATUS and (self.entry is not None or not is_named_by_id))
        return self.entry is None and not is_named_by_id and name != "dateTo"

    def differs_from_agreed(self, name: str) -> bool:
        """Whether Bookio's value is known to differ from the one last agreed."""
        agreed, theirs = self.agreed.get(name), self.row.get(name)
        return agreed is not None and theirs is not None and agreed != self.digest(theirs)

    def fixed_differences(self) -> tuple[str, ...]:
        """Return fields that the record changes but Bookio cannot.

        A value that is the same as when we created the row is not a request to change it.
        """
        values, theirs = self.desired.values, self.row.get("fixed", {})
        different = [
            name
            for name in ("facilityId", "serviceId")
            if None not in (values.get(name), self.row.get(name)) and values[name] != self.row[name]
        ]
        different += [
            name
            for name, digest in theirs.items()
            if name in values and self.digest(canonical(name, values[name]))[:16] != digest
        ]
        if different and self.agreed.get(EXISTS) == self.digest(fixed_values(self.desired)):
            return ()
        return tuple(different)

    def moves(self) -> bool:
        """Whether the record asks for a different term.

        1. Another start: yes.
        2. Of a blocked time, another end, or one where the list shows none: yes.
        3. Of a reservation Bookio may decide the end itself. So an end that was asked for before,
           and that Bookio did not accept, is not a new request.
        """
        start, end = self.desired.values.get("dateFrom"), self.desired.values.get("dateTo")
        their_end = self.row.get("dateTo")
        if start is not None and self.row.get("dateFrom") != start:
            return True
        if end is None or end == their_end:
            return False
        if self.desired.stream != RESERVATIONS:
            return True
        if their_end is None:
            return False
        return self.entry is None or self.entry.asked.get("dateTo") != self.digest(end)


def known_row(row: Row, desired: Desired, entry: Entry | None, digest: Digest) -> Row:
    """Return a row, with agreed values for fields that the list does not show.

    A status that is neither shown nor written is that of a new reservation.
    """
    agreed = entry.agreed if entry else {}
    known = {
        name: value
        for name, value in desired.values.items()
        if row.get(name) is None and agreed.get(name) == digest(without_ids(value))
    }
    if desired.stream == RESERVATIONS and row.get("status") is None and "status" not in known:
        written = (s for s in ReservationStatus if agreed.get("status") == digest(s))
        known["status"] = next(written, FIRST_STATUS)
    return {**row, **known}


def agreed_after_match(
    desired: Desired, row: Row, digest: Digest
) -> tuple[dict[str, str], dict[str, str]]:
    """Return digests of what both sides agree on: ``agreed`` and ``asked`` of the entry."""
    is_calendar = desired.stream == CALENDARS
    names = tuple(write_schema("calendar")["properties"]) if is_calendar else AGREED_FIELDS
    agreed = {
        name: digest(without_ids(row[name]))
        for name in names
        if name in desired.values and row.get(name) is not None
    }
    end = desired.values.get("dateTo")
    asked = {}
    if desired.stream == RESERVATIONS and end is not None and row.get("dateTo") != end:
        asked = {"dateTo": digest(end)}
    return agreed, asked
