"""Pure: what a record asks for, what Bookio has and what was last agreed -> what to do.

Three-way, field by field (rules 9 and 10 of docs/design/write-back.md); `comparison` has the parts:

1. Bookio already has it: nothing to do, and both sides agree on it from now on.
2. Bookio has what was last agreed: the record asks for a change, so it is made.
3. Bookio has something else: somebody changed it there, a conflict.
4. Nothing was ever agreed. A record that refers to the row by Bookio's ``id`` is the first from
   here, so it is carried out. A record that refers to it by our ``externalId`` shows that the row
   came from here and the journal is lost: a difference is a conflict, except for a status that is
   still the one of every new reservation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bookio_api.contract import (
    BLOCKED_TIMES,
    CALENDARS,
    CANCELLED,
    DID_NOT_COME,
    FIRST_STATUS,
    RESERVATIONS,
    TERM,
)
from target_bookio.plan import calendars
from target_bookio.plan.comparison import Comparison, known_row
from target_bookio.plan.creation import creation
from target_bookio.plan.operations import Digest, Row, Step
from target_bookio.plan.plan import UNCHANGED, Plan, PlanKind, reject, write

if TYPE_CHECKING:
    from target_bookio.desired import Desired
    from target_bookio.journal.entry import Entry

PERSONS_FIELDS = (*TERM, "status")
"""Fields that a person may change in Bookio, and that a removal would undo."""


class Planner(NamedTuple):
    """What every plan of a run depends on."""

    digest: Digest
    source_wins: bool = False

    def plan(self, desired: Desired, row: Row | None, entry: Entry | None) -> Plan:
        """Return what to do.

        ``desired`` has wall times, ``row`` is the mirror's, ``entry`` the journal's.
        """
        if row is None:
            return self._without_row(desired, entry)
        row = known_row(row, desired, entry, self.digest)
        sides = Comparison(desired, row, entry, self.digest)
        if (stale := sides.stale_fields()) and not self.source_wins:
            message = "Bookio's value differs from the one that the source read; read it again"
            return Plan(PlanKind.CONFLICT, (), message, stale, stale)
        if desired.deleted:
            return self._removal(sides)
        if desired.stream == CALENDARS:
            return calendars.modification(desired, row)
        if _is_another_row(desired, row):
            message = "the row with this id has another externalId; check which of them is right"
            return reject(message, "externalId")
        return self._change(sides)

    def _without_row(self, desired: Desired, entry: Entry | None) -> Plan:
        """Return what to do about a row that no list shows.

        1. It should not exist: nothing to do.
        2. The record refers to it by Bookio's id, or has status DID_NOT_COME: a reject.
        3. It was written from here: somebody removed it.
        4. It never existed: it is created.
        """
        status = desired.values.get("status")
        if desired.deleted or (status == CANCELLED and desired.id is None):
            return UNCHANGED
        if desired.id is not None:
            return reject("Bookio lists no row with this id; leave out the id to create one", "id")
        if status == DID_NOT_COME:
            message = "a reservation that is not in Bookio cannot be created as DID_NOT_COME"
            return reject(message, "status")
        if entry is not None and entry.was_created_here:
            return self._removed_by_somebody(desired, entry)
        return creation(desired)

    def _removed_by_somebody(self, desired: Desired, entry: Entry) -> Plan:
        """Return what to do about a row of ours that no longer exists.

        A conflict. With ``source_wins`` a reservation is brought back under its known id, for lists
        may hide cancelled rows, and booked again only if Bookio does not have it (rule 17).
        """
        if not self.source_wins:
            return Plan(PlanKind.CONFLICT, (), "somebody removed it in Bookio since it was written")
        if entry.remote_id is not None and desired.stream == RESERVATIONS:
            return write((_status_step(desired, FIRST_STATUS),))
        return creation(desired)

    def _removal(self, sides: Comparison) -> Plan:
        """Return what to do about a row that the source removed."""
        desired, row = sides.desired, sides.row
        if desired.stream == CALENDARS:
            return calendars.ending(desired, row)
        if row.get("status") == CANCELLED:
            return UNCHANGED
        others = tuple(filter(sides.differs_from_agreed, PERSONS_FIELDS))
        if others and not self.source_wins:
            message = "somebody changed it in Bookio since it was written"
            return Plan(PlanKind.CONFLICT, (), message, disputed=others)
        if desired.stream == BLOCKED_TIMES:
            return write((Step("remove_blocked_time"),))
        return write((_status_step(desired, CANCELLED),))

    def _change(self, sides: Comparison) -> Plan:
        """Return the changes that the record asks for, unless somebody changed the row."""
        fixed, steps = sides.fixed_differences(), _steps(sides)
        if "facilityId" in fixed and sides.desired.values.get("status") != CANCELLED:
            steps = ()  # its term is for another facility, perhaps in another time zone
        for step in () if self.source_wins else steps:
            if disputed := tuple(filter(sides.is_disputed, step.changed)):
                message = f"somebody changed the {step.effect} in Bookio since it was written"
                fields = tuple(step.body or ())
                return Plan(PlanKind.CONFLICT, steps, message, fields, disputed, fixed)
        return write(steps, fixed)


def _steps(sides: Comparison) -> tuple[Step, ...]:
    """Return the requests that carry out a record, in order.

    1. A cancellation alone: the term no longer matters, and a move sends an e-mail.
    2. Our ``externalId``, if Bookio shows none.
    3. The term.
    4. The status.
    """
    desired, row = sides.desired, sides.row
    is_reservation = desired.stream == RESERVATIONS
    status = desired.values.get("status") if is_reservation else None
    changes_status = status is not None and row.get("status") != status
    if status == CANCELLED:
        return (_status_step(desired, status),) if changes_status else ()
    steps = []
    if is_reservation and desired.external_id is not None and row.get("externalId") is None:
        steps.append(Step("confirm_sync", {"externalId": desired.external_id}))
    if sides.moves():
        steps.append(_move(desired, row))
    if status is not None and changes_status:
        steps.append(_status_step(desired, status))
    return tuple(steps)


def _move(desired: Desired, row: Row) -> Step:
    """Return the request for a new term, always with both ends."""
    term = {name: desired.values.get(name, row.get(name)) for name in TERM}
    if desired.stream == BLOCKED_TIMES:
        return Step("change_blocked_time_term", term)
    if "dateTo" not in desired.values:
        term["dateTo"] = None  # Bookio derives it from the service
    return Step("change_reservation_term", term)


def _status_step(desired: Desired, status: str) -> Step:
    reason = desired.values.get("cancellationReason") if status == CANCELLED else None
    body = {"status": status} | ({"cancellationReason": reason} if reason else {})
    return Step("change_reservation_status", body)


def _is_another_row(desired: Desired, row: Row) -> bool:
    """Whether a record's id and ``externalId`` belong to different rows."""
    numbers = desired.external_id, row.get("externalId")
    return desired.id is not None and None not in numbers and numbers[0] != numbers[1]
