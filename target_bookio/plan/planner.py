"""Pure: what a record wants, what Bookio has and what we last wrote -> what to do.

Three-way: Bookio has it already -> nothing; Bookio has what we last wrote, or we never wrote ->
only the operations that change something; else someone changed it in Bookio -> a conflict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.contract import RESERVATION_STATUSES
from bookio_api.schemas import write_schema
from target_bookio.desired import BLOCKED_TIMES, CALENDARS, RESERVATIONS
from target_bookio.plan.operations import (
    CREATE,
    END,
    FIXED,
    MODIFY,
    REMOVE,
    STATUS,
    SYNC,
    TERM,
    Step,
    fixed_values,
    plain,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_bookio.desired import Desired
    from target_bookio.plan.operations import Digest, Row

UNCHANGED, WRITE, CONFLICT, REJECT = "unchanged", "write", "conflict", "reject"
_PERSONS = ("dateFrom", "dateTo", "status")
"""What a person changes in Bookio, and a removal would undo."""

UNSEEN = (
    "it was written from here, but Bookio's list shows neither its id nor an externalId, so it "
    "cannot be found again: change it in Bookio"
)


class Plan(NamedTuple):
    """What to do about one record."""

    kind: str
    steps: tuple[Step, ...] = ()
    message: str = ""
    fields: tuple[str, ...] = ()


def plan(
    desired: Desired,
    row: Row | None,
    applied: Mapping[str, str],
    digest: Digest,
    *,
    visible: bool = True,
    source_wins: bool = False,
) -> Plan:
    """Return what to do.

    ``desired`` has wall times, ``row`` is what Bookio lists under its key, with wall times too
    (see ``reconcile.in_zone``). ``applied`` holds the digests of what we last wrote, by field, and
    ``visible`` tells whether the list would show the row if it were there.
    """
    if row is None:
        return _without_row(desired, applied, visible=visible, source_wins=source_wins)
    row = _as_known(row, desired, applied, digest)
    if desired.deleted:
        moved = any(_is_others(name, row, applied, digest) for name in _PERSONS)
        return _removal(desired, row, is_others=moved and not source_wins)
    if desired.stream == CALENDARS:
        return _as_plan(_calendar_changes(desired, row))
    if fixed := _fixed_fields(desired, row, applied, digest):
        names = ", ".join(fixed)
        return Plan(REJECT, message=f"Bookio cannot change {names} of what is there", fields=fixed)
    steps = _changes(desired, row)
    for step in () if source_wins else steps:
        if any(_is_others(name, row, applied, digest) for name in step.changed):
            message = f"someone changed the {step.group} in Bookio since it was written from here"
            return Plan(CONFLICT, steps, message, tuple(step.body or ()))
    return _as_plan(steps)


def _as_known(row: Row, desired: Desired, applied: Mapping[str, str], digest: Digest) -> Row:
    """Return the row with what we wrote wherever the list shows nothing.

    A status that nobody shows and nobody wrote is the one of a new reservation.
    """
    known = {
        name: value
        for name, value in desired.values.items()
        if row.get(name) is None and applied.get(name) == digest(value)
    }
    if desired.stream == RESERVATIONS and row.get("status") is None and "status" not in known:
        written = (s for s in RESERVATION_STATUSES if applied.get("status") == digest(s))
        known["status"] = next(written, "CONFIRMED")
    return {**row, **known}


def _is_others(name: str, row: Row, applied: Mapping[str, str], digest: Digest) -> bool:
    """Whether Bookio holds another value than we last wrote."""
    ours, theirs = applied.get(name), row.get(name)
    return ours is not None and theirs is not None and ours != digest(theirs)


def _as_plan(steps: tuple[Step, ...]) -> Plan:
    return Plan(WRITE, steps) if steps else Plan(UNCHANGED)


def _without_row(
    desired: Desired, applied: Mapping[str, str], *, visible: bool, source_wins: bool
) -> Plan:
    was_there = CREATE in applied
    if was_there and not visible:
        return Plan(REJECT, message=UNSEEN)
    if desired.deleted:
        return Plan(UNCHANGED)
    return _creation(desired, removed=was_there and not source_wins)


def _removal(desired: Desired, row: Row, *, is_others: bool) -> Plan:
    if desired.stream == CALENDARS:
        return _end(desired, row)
    if row.get("status") == "CANCELLED":
        return Plan(UNCHANGED)
    if is_others:
        return Plan(CONFLICT, message="someone changed it in Bookio since it was written from here")
    if desired.stream == BLOCKED_TIMES:
        return Plan(WRITE, (Step("remove_blocked_time", REMOVE),))
    return Plan(WRITE, (_status_step(desired, "CANCELLED"),))


def _end(desired: Desired, row: Row) -> Plan:
    ends = desired.values.get("validTo")
    if ends is None:
        return Plan(REJECT, message="a calendar ends on its validTo; name it", fields=("validTo",))
    if row.get("validTo") == ends:
        return Plan(UNCHANGED)
    return Plan(WRITE, (Step("end_calendar", END, {"validTo": ends}),))


def _creation(desired: Desired, *, removed: bool) -> Plan:
    if desired.id is not None:
        message = "Bookio lists no row with this id; leave the id out to create one"
        return Plan(REJECT, message=message, fields=("id",))
    status = desired.values.get("status")
    if status == "CANCELLED":
        return Plan(UNCHANGED)  # what should not be is not there
    if status == "DID_NOT_COME":
        message = "a reservation that is not in Bookio cannot be created as DID_NOT_COME"
        return Plan(REJECT, message=message, fields=("status",))
    if removed:
        return Plan(CONFLICT, message="someone removed it in Bookio since it was written from here")
    body = {
        RESERVATIONS: "reservation", BLOCKED_TIMES: "blocked_time", CALENDARS: "calendar",
    }[desired.stream]  # fmt: skip
    schema = write_schema(body)
    values = {name: desired.values[name] for name in schema["properties"] if name in desired.values}
    if missing := _missing(schema, values):
        message = f"to create it Bookio needs {', '.join(missing)}"
        return Plan(REJECT, message=message, fields=missing)
    return Plan(WRITE, (Step(f"create_{body}", CREATE, values),))


def _missing(schema: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[str, ...]:
    shortest = {name: field.get("minLength", 0) for name, field in schema["properties"].items()}
    return tuple(
        name
        for name in schema["required"]
        if values.get(name) is None or (shortest[name] and not str(values[name]).strip())
    )


def _fixed_fields(
    desired: Desired, row: Row, applied: Mapping[str, str], digest: Digest
) -> tuple[str, ...]:
    """Return fields that the record wants changed and Bookio cannot change.

    What the source still says as it did when we created the row is no wish to change it: Bookio
    may write a phone number in its own way.
    """
    there = {name: value for name, value in row.items() if value is not None}
    if "note" in row:  # a note that is empty is shown, other fields are not empty but hidden
        there.setdefault("note", "")
    other = tuple(
        name
        for name in FIXED[desired.stream]
        if name in desired.values
        and name in there
        and plain(desired.values[name]) != plain(there[name])
    )
    if desired.id is not None and desired.external_id is not None:
        theirs = row.get("externalId")
        if theirs is not None and theirs != desired.external_id:
            other += ("externalId",)
    if other and applied.get(CREATE) == digest(fixed_values(desired)):
        return ()
    return other


def _changes(desired: Desired, row: Row) -> tuple[Step, ...]:
    reservation = desired.stream == RESERVATIONS
    wanted = desired.values.get("status") if reservation else None
    if wanted == "CANCELLED":  # its term is of no interest any more, and a move sends an e-mail
        return () if row.get("status") == "CANCELLED" else (_status_step(desired, wanted),)
    steps = []
    if reservation and desired.external_id is not None and row.get("externalId") is None:
        steps.append(Step("confirm_sync", SYNC, {"externalId": desired.external_id}))
    term = {name: desired.values[name] for name in ("dateFrom", "dateTo") if name in desired.values}
    if any(row.get(name) != value for name, value in term.items()):
        whole = {name: term.get(name, row.get(name)) for name in ("dateFrom", "dateTo")}
        if reservation and "dateTo" not in term:
            whole["dateTo"] = None  # it follows from the service
        operation = "change_reservation_term" if reservation else "change_blocked_time_term"
        steps.append(Step(operation, TERM, whole))
    if wanted is not None and row.get("status") != wanted:
        steps.append(_status_step(desired, wanted))
    return tuple(steps)


def _status_step(desired: Desired, status: str) -> Step:
    reason = desired.values.get("cancellationReason") if status == "CANCELLED" else None
    body = {"status": status} | ({"cancellationReason": reason} if reason else {})
    return Step("change_reservation_status", STATUS, body)


def _calendar_changes(desired: Desired, row: Row) -> tuple[Step, ...]:
    names = write_schema("calendar")["properties"]
    wanted = {name: desired.values[name] for name in names if name in desired.values}
    if all(_covers(row.get(name), value) for name, value in wanted.items()):
        return ()
    whole = {name: wanted.get(name, row.get(name)) for name in names}
    return (Step("modify_calendar", MODIFY, {k: v for k, v in whole.items() if v is not None}),)


def _covers(has: Any, wants: Any) -> bool:  # noqa: ANN401 - any JSON values
    """Whether Bookio's value says all that the record says; it may say more, such as ids."""
    if isinstance(wants, dict) and isinstance(has, dict):
        return all(_covers(has.get(name), value) for name, value in wants.items())
    if isinstance(wants, list) and isinstance(has, list):
        return len(has) == len(wants) and all(map(_covers, has, wants))
    return bool(has == wants)
