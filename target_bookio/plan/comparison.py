"""Compares a record, Bookio's row and the last agreed values, field by field.

Rules 9 and 10 of docs/design/write-back.md: the base of the comparison is what both sides last
agreed on. Without a base, it is unknown who changed a field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bookio_api.contract import (
    CALENDARS,
    CANCELLED,
    FIRST_STATUS,
    RESERVATIONS,
    TERM,
    ReservationStatus,
)
from bookio_api.schemas import write_schema
from target_bookio.journal.entry import EXISTS, UNKNOWN, Entry
from target_bookio.plan.operations import Digest, Row, fixed_values, without_ids
from target_bookio.plan.same_meaning import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_bookio.desired import Desired

AGREED_FIELDS = ("externalId", *TERM, "status")
"""The fields with agreed values; of a calendar, all fields have them."""


class Comparison(NamedTuple):
    """The three sides of one record."""

    desired: Desired
    """The record, with wall times."""
    row: Row
    """Bookio's row, completed by `known_row`."""
    entry: Entry | None
    """The journal's entry for the row."""
    digest: Digest

    @property
    def agreed(self) -> Mapping[str, str]:
        """Digests of the last agreed values, by field."""
        return self.entry.agreed if self.entry else {}

    def stale_fields(self) -> tuple[str, ...]:
        """Return fields whose value in Bookio differs from the one that the source last read."""
        return tuple(
            name
            for name, value in self.desired.expected.items()
            if self.row.get(name) is not None and self.row[name] != value
        )

    def is_disputed(self, name: str) -> bool:
        """Whether somebody else set the value of a field that the record would change."""
        theirs = self.row.get(name)
        # 1. Both sides are equal, or the list does not show the field: no request changes it.
        if theirs is None or theirs == self.desired.values.get(name):
            return False
        # 2. The source has read exactly this value (see `stale_fields`), so it knows what it
        #    changes.
        if name in self.desired.expected:
            return False
        # 3. Rule 9: a base is known. If Bookio no longer has it, somebody changed the field. Rule
        #    10: after a conflict or an undecidable doubt the base is unknown, so always a dispute.
        if (agreed := self.agreed.get(name)) is not None:
            return agreed == UNKNOWN or agreed != self.digest(theirs)
        # Rule 10: nothing was ever agreed. A record that refers to a row without an entry by
        # Bookio's id is the first one from here, and is written.
        is_named_by_id = self.desired.id is not None
        # 4. Every reservation is created with the same status, so somebody set any other.
        if name == "status":
            return bool(theirs != FIRST_STATUS and (self.agreed or not is_named_by_id))
        # 5. A row with our externalId but no entry comes from a lost journal, so its term may have
        #    been changed. Not its end, which Bookio may have decided.
        return not self.agreed and not is_named_by_id and name != "dateTo"

    def differs_from_agreed(self, name: str) -> bool:
        """Whether Bookio's value is known to differ from the last agreed one."""
        agreed, theirs = self.agreed.get(name), self.row.get(name)
        return agreed is not None and theirs is not None and agreed != self.digest(theirs)

    def fixed_differences(self) -> tuple[str, ...]:
        """Return fields that the record changes but Bookio cannot change."""
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
        # The record is the one that created the row, so it asks for no change: Bookio stores the
        # values in another form, or a person has corrected them.
        if different and self.agreed.get(EXISTS) == self.digest(fixed_values(self.desired)):
            return ()
        return tuple(different)

    def moves(self) -> bool:
        """Whether the record asks for a different term."""
        start, end = self.desired.values.get("dateFrom"), self.desired.values.get("dateTo")
        their_end = self.row.get("dateTo")
        # 1. Another start: yes.
        if start is not None and self.row.get("dateFrom") != start:
            return True
        if end is None or end == their_end:
            return False
        # 2. Another end of a blocked time, or an end that the list does not show: yes.
        if self.desired.stream != RESERVATIONS:
            return True
        # 3. Another end of a reservation: only if it was not asked for before. Bookio may set its
        #    own end; asking again in every run could e-mail the patient every time.
        if their_end is None:
            return False
        return self.entry is None or self.entry.asked.get("dateTo") != self.digest(end)


def known_row(row: Row, desired: Desired, entry: Entry | None, digest: Digest) -> Row:
    """Return a row, completed with agreed values for fields that the list does not show."""
    agreed = entry.agreed if entry else {}
    # The journal has only digests, but one that matches the record's value reveals it.
    known = {
        name: value
        for name, value in desired.values.items()
        if row.get(name) is None and agreed.get(name) == digest(without_ids(value))
    }
    if desired.stream == RESERVATIONS and row.get("status") is None and "status" not in known:
        # Of the few statuses, the one that was last agreed, or else that of a new reservation.
        written = (s for s in ReservationStatus if agreed.get("status") == digest(s))
        known["status"] = next(written, FIRST_STATUS)
    return {**row, **known}


def agreed_after_match(
    desired: Desired, row: Row, digest: Digest
) -> tuple[dict[str, str], dict[str, str]]:
    """Return ``agreed`` and ``asked`` of an entry whose row needs no request for the record."""
    values = dict(desired.values)
    if desired.stream == CALENDARS:  # the row covers the record, perhaps in another form
        names = tuple(write_schema("calendar")["properties"])
        shown = {n: row[n] for n in names if n in values and row.get(n) is not None}
        return {name: digest(without_ids(value)) for name, value in shown.items()}, {}
    if desired.deleted and desired.stream == RESERVATIONS:
        values["status"] = CANCELLED
    # A cancelled row needs no request although its term may differ from the record's, because a
    # person had moved it. Such fields are not agreed: their base stays as it was (rules 9, 10).
    agreed = {
        name: digest(row[name])
        for name in AGREED_FIELDS
        if row.get(name) is not None and row[name] == values.get(name)
    }
    # An end that Bookio replaced by its own counts as agreed and as asked for: see
    # `Comparison.moves`.
    asked, end, start = {}, values.get("dateTo"), values.get("dateFrom")
    is_same_start = start is None or row.get("dateFrom") == start
    if desired.stream == RESERVATIONS and end is not None and is_same_start:
        if row.get("dateTo") is not None:
            agreed["dateTo"] = digest(row["dateTo"])
        if row.get("dateTo") != end:
            asked = {"dateTo": digest(end)}
    return agreed, asked
