"""Pure: from a record, Bookio's row and the journal's entry to a plan.

A three-way comparison, field by field (rules 9 and 10 of docs/design/write-back.md). The details
are in `comparison`:

1. Bookio has the record's value: nothing to do, and both sides agree on it from now on.
2. Bookio has the last agreed value: the record asks for a change, which is made.
3. Bookio has a third value: somebody changed it there, which is a conflict.
4. Nothing was ever agreed: see `Comparison.is_disputed`.
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
"""Fields that a person may change in Bookio, so that a removal would undo the change."""


class Planner(NamedTuple):
    """Plans the records of one run."""

    digest: Digest
    source_wins: bool = False

    def plan(self, desired: Desired, row: Row | None, entry: Entry | None) -> Plan:
        """Return what to do about a record with wall times, from its mirrored row and its entry."""
        if row is None:
            return self._without_row(desired, entry)
        row = known_row(row, desired, entry, self.digest)
        sides = Comparison(desired, row, entry, self.digest)
        # The source decided without knowing Bookio's current value, so nothing is written.
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
        """Return what to do about a row that no list shows."""
        status = desired.values.get("status")
        # 1. It should not exist, and does not.
        if desired.deleted or (status == CANCELLED and desired.id is None):
            return UNCHANGED
        # 2. It cannot be created: Bookio assigns ids, and a new reservation has another status.
        if desired.id is not None:
            return reject("Bookio lists no row with this id; leave out the id to create one", "id")
        if status == DID_NOT_COME:
            message = "a reservation that is not in Bookio cannot be created as DID_NOT_COME"
            return reject(message, "status")
        # 3. We created it, so somebody removed it.
        if entry is not None and entry.was_created_here:
            return self._removed_by_somebody(desired, entry)
        # 4. It never existed.
        return creation(desired)

    def _removed_by_somebody(self, desired: Desired, entry: Entry) -> Plan:
        """Return what to do about our row that somebody removed."""
        if not self.source_wins:
            # Rule 10: until source and list agree again, nothing is known about its fields.
            message = "somebody removed it in Bookio since it was written"
            return Plan(PlanKind.CONFLICT, (), message, disputed=PERSONS_FIELDS)
        # Rule 17: lists may hide cancelled reservations, so it is first restored under its known
        # id. If Bookio responds "not found", the id is forgotten, and it is booked again.
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
        # A removal names no fields, so every change by a person counts.
        changed = tuple(filter(sides.differs_from_agreed, PERSONS_FIELDS))
        if changed and not self.source_wins:
            message = "somebody changed it in Bookio since it was written"
            return Plan(PlanKind.CONFLICT, (), message, disputed=changed)
        if desired.stream == BLOCKED_TIMES:
            return write((Step("remove_blocked_time"),))
        return write((_status_step(desired, CANCELLED),))

    def _change(self, sides: Comparison) -> Plan:
        """Return the changes that the record asks for, unless somebody changed the row."""
        fixed, steps = sides.fixed_differences(), _steps(sides)
        # The record's term is for another facility, perhaps in another time zone. It does not
        # matter to a cancellation.
        if "facilityId" in fixed and sides.desired.values.get("status") != CANCELLED:
            steps = ()
        # One disputed field stops all requests of the record.
        for step in () if self.source_wins else steps:
            if disputed := tuple(filter(sides.is_disputed, step.changed)):
                message = f"somebody changed the {step.effect} in Bookio since it was written"
                fields = tuple(step.body or ())
                return Plan(PlanKind.CONFLICT, steps, message, fields, disputed, fixed)
        return write(steps, fixed)


def _steps(sides: Comparison) -> tuple[Step, ...]:
    """Return the requests that carry out a record, in order."""
    desired, row = sides.desired, sides.row
    is_reservation = desired.stream == RESERVATIONS
    status = desired.values.get("status") if is_reservation else None
    changes_status = status is not None and row.get("status") != status
    # A cancellation is sent alone: the term no longer matters, and a move may send an e-mail.
    if status == CANCELLED:
        return (_status_step(desired, status),) if changes_status else ()
    # Otherwise: our externalId if Bookio shows none, the term, and the status.
    steps = []
    if is_reservation and desired.external_id is not None and row.get("externalId") is None:
        steps.append(Step("confirm_sync", {"externalId": desired.external_id}))
    if sides.moves():
        steps.append(_move(desired, row))
    if status is not None and changes_status:
        steps.append(_status_step(desired, status))
    return tuple(steps)


def _move(desired: Desired, row: Row) -> Step:
    """Return the request for a new term."""
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
