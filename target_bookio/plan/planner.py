"""Pure: what a record asks for, what Bookio has and what was last agreed -> what to do.

Three-way, field by field (rules 9 and 10 of docs/design/write-back.md):

1. Bookio has it already: nothing to do, and both sides agree on it from now on.
2. Bookio has what was last agreed: the record asks for a change, so it is made.
3. Bookio has something else: somebody changed it there, a conflict.
4. Nothing was ever agreed. A record that names the row by Bookio's ``id`` is the first word from
   here, so it is carried out. A record that names it by our own ``externalId`` shows that the row
   came from here and the journal is lost: a difference is a conflict, but for a status that is
   still the one of every new reservation.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.contract import BLOCKED_TIMES, CALENDARS, RESERVATION_STATUSES, RESERVATIONS
from bookio_api.schemas import write_schema
from target_bookio.journal.entry import EXISTS, UNKNOWN, Entry
from target_bookio.plan.operations import (
    Digest,
    Row,
    Step,
    fixed_values,
    without_ids,
)
from target_bookio.plan.same_meaning import canonical, covers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_bookio.desired import Desired

FIRST_STATUS = "CONFIRMED"
"""The status of every new reservation."""

_PERSONS = ("dateFrom", "dateTo", "status")
"""What a person changes in Bookio, and a removal would undo."""


class PlanKind(StrEnum):
    """What a record leads to."""

    UNCHANGED = "unchanged"
    WRITE = "write"
    CONFLICT = "conflict"
    REJECT = "reject"


class Plan(NamedTuple):
    """What to do about one record."""

    kind: PlanKind
    steps: tuple[Step, ...] = ()
    message: str = ""
    fields: tuple[str, ...] = ()
    disputed: tuple[str, ...] = ()
    """Fields of a conflict: what is agreed about them is unknown from now on (rule 10)."""
    fixed: tuple[str, ...] = ()
    """Fields that differ and that Bookio cannot change; the rest is carried out all the same."""


UNCHANGED = Plan(PlanKind.UNCHANGED)


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
        row = self._as_known(row, desired, entry)
        if (stale := self._stale_fields(desired, row)) and not self.source_wins:
            message = "Bookio has another value than the source had read; read it again"
            return Plan(PlanKind.CONFLICT, (), message, stale, stale)
        if desired.deleted:
            return self._removal(desired, row, entry)
        if desired.stream == CALENDARS:
            return _as_plan(self._calendar_steps(desired, row))
        if _is_another_row(desired, row):
            message = "the row with this id has another externalId; look which of them is meant"
            return Plan(PlanKind.REJECT, (), message, ("externalId",))
        return self._change(desired, row, entry)

    def _change(self, desired: Desired, row: Row, entry: Entry | None) -> Plan:
        """Return what makes the row what the record asks for, unless somebody changed it."""
        fixed = self._fixed_differences(desired, row, entry)
        steps = self._steps(desired, row, entry)
        if "facilityId" in fixed and desired.values.get("status") != "CANCELLED":
            steps = ()  # its term is meant for another place, in another time zone perhaps
        for step in () if self.source_wins else steps:
            disputed = tuple(n for n in step.changed if self._is_disputed(n, desired, row, entry))
            if disputed:
                message = f"somebody changed the {step.effect} in Bookio since it was written"
                return Plan(
                    PlanKind.CONFLICT, steps, message, tuple(step.body or ()), disputed, fixed
                )
        return _as_plan(steps, fixed)

    def _as_known(self, row: Row, desired: Desired, entry: Entry | None) -> Row:
        """Return the row with what is agreed wherever the list shows nothing.

        A status that nobody shows and nobody wrote is the one of a new reservation.
        """
        agreed = entry.agreed if entry else {}
        known = {
            name: value
            for name, value in desired.values.items()
            if row.get(name) is None and agreed.get(name) == self.digest(without_ids(value))
        }
        if desired.stream == RESERVATIONS and row.get("status") is None and "status" not in known:
            written = (s for s in RESERVATION_STATUSES if agreed.get("status") == self.digest(s))
            known["status"] = next(written, FIRST_STATUS)
        return {**row, **known}

    def _stale_fields(self, desired: Desired, row: Row) -> tuple[str, ...]:
        """Return fields in which the source had read another value than Bookio has."""
        expected: Mapping[str, Any] = getattr(desired, "expected", None) or {}
        return tuple(
            name
            for name, value in expected.items()
            if row.get(name) is not None and row[name] != value
        )

    def _is_disputed(self, name: str, desired: Desired, row: Row, entry: Entry | None) -> bool:
        """Whether Bookio's value is neither the record's nor the one last agreed."""
        theirs = row.get(name)
        if theirs is None or theirs == desired.values.get(name):
            return False
        if name in (getattr(desired, "expected", None) or {}):
            return False  # the source has read this very value
        agreed = (entry.agreed if entry else {}).get(name)
        if agreed is not None:
            return agreed == UNKNOWN or agreed != self.digest(theirs)
        if name == "status":
            return bool(theirs != FIRST_STATUS and (entry is not None or desired.id is None))
        return entry is None and desired.id is None and name != "dateTo"

    def _is_others(self, name: str, row: Row, entry: Entry | None) -> bool:
        """Whether Bookio's value is known to be another than the one last agreed."""
        agreed, theirs = (entry.agreed if entry else {}).get(name), row.get(name)
        return agreed is not None and theirs is not None and agreed != self.digest(theirs)

    def _without_row(self, desired: Desired, entry: Entry | None) -> Plan:
        created_here = entry is not None and entry.was_created_here
        status = desired.values.get("status")
        if desired.deleted or (status == "CANCELLED" and desired.id is None):
            return UNCHANGED  # what should not be is not there
        if desired.id is not None:
            message = "Bookio lists no row with this id; leave the id out to create one"
            return Plan(PlanKind.REJECT, (), message, ("id",))
        if status == "DID_NOT_COME":
            message = "a reservation that is not in Bookio cannot be created as DID_NOT_COME"
            return Plan(PlanKind.REJECT, (), message, ("status",))
        if created_here and not self.source_wins:
            message = "somebody removed it in Bookio since it was written"
            return Plan(PlanKind.CONFLICT, (), message)
        has_id = entry is not None and entry.remote_id is not None
        if created_here and has_id and desired.stream == RESERVATIONS:
            # Lists may hide cancelled rows: bring it back, if it can be, before booking it again.
            return Plan(PlanKind.WRITE, (_status_step(desired, FIRST_STATUS),))
        return _creation(desired)

    def _removal(self, desired: Desired, row: Row, entry: Entry | None) -> Plan:
        if desired.stream == CALENDARS:
            return _end(desired, row)
        if row.get("status") == "CANCELLED":
            return UNCHANGED
        others = tuple(name for name in _PERSONS if self._is_others(name, row, entry))
        if others and not self.source_wins:
            message = "somebody changed it in Bookio since it was written"
            return Plan(PlanKind.CONFLICT, (), message, disputed=others)
        if desired.stream == BLOCKED_TIMES:
            return Plan(PlanKind.WRITE, (Step("remove_blocked_time"),))
        return Plan(PlanKind.WRITE, (_status_step(desired, "CANCELLED"),))

    def _fixed_differences(
        self, desired: Desired, row: Row, entry: Entry | None
    ) -> tuple[str, ...]:
        """Return fields that the record wants changed and Bookio cannot change.

        What the source still says as it did when we created the row is no wish to change it.
        """
        theirs: Mapping[str, str] = row.get("fixed", {})
        different = [
            name
            for name in ("facilityId", "serviceId")
            if None not in (desired.values.get(name), row.get(name))
            and desired.values[name] != row[name]
        ]
        different += [
            name
            for name, digest in theirs.items()
            if name in desired.values
            and self.digest(canonical(name, desired.values[name]))[:16] != digest
        ]
        if different and entry is not None:
            as_created = self.digest(fixed_values(desired))
            if entry.agreed.get(EXISTS) == as_created:
                return ()
        return tuple(different)

    def _steps(self, desired: Desired, row: Row, entry: Entry | None) -> tuple[Step, ...]:
        """Return the requests that make the row what the record asks for."""
        reservation = desired.stream == RESERVATIONS
        wanted = desired.values.get("status") if reservation else None
        if wanted == "CANCELLED":  # its term is of no interest any more, and a move sends an e-mail
            return () if row.get("status") == "CANCELLED" else (_status_step(desired, wanted),)
        steps = []
        if reservation and desired.external_id is not None and row.get("externalId") is None:
            steps.append(Step("confirm_sync", {"externalId": desired.external_id}))
        if self._moves(desired, row, entry):
            names = ("dateFrom", "dateTo")
            whole = {name: desired.values.get(name, row.get(name)) for name in names}
            if reservation and "dateTo" not in desired.values:
                whole["dateTo"] = None  # it follows from the service
            operation = "change_reservation_term" if reservation else "change_blocked_time_term"
            steps.append(Step(operation, whole))
        if wanted is not None and row.get("status") != wanted:
            steps.append(_status_step(desired, wanted))
        return tuple(steps)

    def _moves(self, desired: Desired, row: Row, entry: Entry | None) -> bool:
        """Whether the record asks for another term.

        Of a reservation Bookio may decide the end itself. So an end that was asked for before,
        and is not what came of it, is no new wish.
        """
        start, end = desired.values.get("dateFrom"), desired.values.get("dateTo")
        if start is not None and row.get("dateFrom") != start:
            return True
        if end is None or row.get("dateTo") in (None, end):
            return end is not None and row.get("dateTo") is None and desired.stream != RESERVATIONS
        if desired.stream != RESERVATIONS or entry is None:
            return True
        return entry.asked.get("dateTo") != self.digest(end)

    def _calendar_steps(self, desired: Desired, row: Row) -> tuple[Step, ...]:
        names = write_schema("calendar")["properties"]
        wanted = {name: desired.values[name] for name in names if name in desired.values}
        if all(covers(row.get(name), value) for name, value in wanted.items()):
            return ()
        # Where the row's own value says all that the record says it is sent as it is: its services
        # keep their ids.
        kept = {
            name: row[name]
            for name in names
            if name in row and (name not in wanted or covers(row[name], wanted[name]))
        }
        return (Step("modify_calendar", {**wanted, **kept}),)


def agreed_after_match(
    desired: Desired, row: Row, digest: Digest
) -> tuple[dict[str, str], dict[str, str]]:
    """Return digests of what both sides agree on: ``agreed`` and ``asked`` of the entry."""
    names = ("externalId", "dateFrom", "dateTo", "status")
    if desired.stream == CALENDARS:
        names = tuple(write_schema("calendar")["properties"])
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


def _is_another_row(desired: Desired, row: Row) -> bool:
    """Whether a record names one row by its id and another one by its ``externalId``."""
    numbers = desired.external_id, row.get("externalId")
    return desired.id is not None and None not in numbers and numbers[0] != numbers[1]


def _as_plan(steps: tuple[Step, ...], fixed: tuple[str, ...] = ()) -> Plan:
    if steps:
        return Plan(PlanKind.WRITE, steps, fixed=fixed)
    if fixed:
        return Plan(PlanKind.REJECT, message=fixed_message(fixed), fields=fixed)
    return UNCHANGED


def fixed_message(fixed: tuple[str, ...]) -> str:
    """Return the line about what differs and cannot be changed."""
    return f"Bookio cannot change {', '.join(fixed)} of what is there"


def _end(desired: Desired, row: Row) -> Plan:
    ends = desired.values.get("validTo")
    if ends is None:
        message = "a calendar ends on its validTo; name it"
        return Plan(PlanKind.REJECT, (), message, ("validTo",))
    if row.get("validTo") == ends:
        return UNCHANGED
    return Plan(PlanKind.WRITE, (Step("end_calendar", {"validTo": ends}),))


def _creation(desired: Desired) -> Plan:
    body = {
        RESERVATIONS: "reservation", BLOCKED_TIMES: "blocked_time", CALENDARS: "calendar",
    }[desired.stream]  # fmt: skip
    schema = write_schema(body)
    values = {name: desired.values[name] for name in schema["properties"] if name in desired.values}
    if missing := _missing(schema, values):
        message = f"to create it Bookio needs {', '.join(missing)}"
        return Plan(PlanKind.REJECT, (), message, missing)
    return Plan(PlanKind.WRITE, (Step(f"create_{body}", values),))


def _missing(schema: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[str, ...]:
    shortest = {name: field.get("minLength", 0) for name, field in schema["properties"].items()}
    return tuple(
        name
        for name in schema["required"]
        if values.get(name) is None or (shortest[name] and not str(values[name]).strip())
    )


def _status_step(desired: Desired, status: str) -> Step:
    reason = desired.values.get("cancellationReason") if status == "CANCELLED" else None
    body = {"status": status} | ({"cancellationReason": reason} if reason else {})
    return Step("change_reservation_status", body)
