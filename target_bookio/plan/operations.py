"""One request of a plan, and its effects: the row after it, and what the journal keeps of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from target_bookio.desired import BLOCKED_TIMES, CALENDARS, RESERVATIONS

if TYPE_CHECKING:
    from target_bookio.desired import Desired

Row = Mapping[str, Any]
"""A row as Bookio lists it."""

CREATE, TERM, STATUS, SYNC, REMOVE, MODIFY, END = (
    "create", "term", "status", "sync", "remove", "modify", "end",
)  # fmt: skip
"""What a step changes."""

FIXED = {
    RESERVATIONS: (
        "name", "surname", "email", "phone", "locale", "serviceId", "facilityId", "note",
    ),
    BLOCKED_TIMES: ("facilityId", "note"),
    CALENDARS: (),
}  # fmt: skip
"""Fields that no operation changes once the row is there."""

_CHANGED = {
    TERM: ("dateFrom", "dateTo"),
    STATUS: ("status",),
    SYNC: ("externalId",),
    MODIFY: ("name", "note", "validFrom", "validTo", "services", "intervals"),
    END: ("validTo",),
}
"""The fields of each group, which are those that the journal keeps a digest of."""

Digest = Callable[[object], str]
"""A keyed hash of a JSON value."""


class Step(NamedTuple):
    """One request."""

    operation: str
    group: str
    body: Mapping[str, Any] | None = None
    """The request body. The id for the path is that of the row."""

    @property
    def changed(self) -> tuple[str, ...]:
        """Fields that may be others once the step is done."""
        return _CHANGED.get(self.group, ())


def intended(step: Step, digest: Digest) -> dict[str, str]:
    """Return what tells later whether a step was carried out: digests by field.

    Under ``create`` and ``remove`` is that of whether there is a row. What Bookio will decide,
    such as the end of a reservation that is moved, is empty.
    """
    if step.group in {CREATE, REMOVE}:
        return {step.group: digest(step.group == CREATE)}
    body = step.body or {}
    wanted = {name: body[name] for name in step.changed if name in body}
    return {name: "" if value is None else digest(value) for name, value in wanted.items()}


def digests(
    desired: Desired, row: Row, digest: Digest, names: Iterable[str] = ()
) -> dict[str, str]:
    """Return what we note as written, by field: what the record says, and ``names``, as it is."""
    noted = {name for group in _CHANGED.values() for name in group}
    fields = noted & {*desired.values, *names}
    held = {name: digest(row[name]) for name in fields if row.get(name) is not None}
    return {**held, CREATE: digest(fixed_values(desired))}


def after(step: Step, row: Row | None, row_id: int | None) -> Row | None:
    """Return the row as it is once a step is done; what Bookio then decides is ``None``."""
    if step.group == REMOVE:
        return None
    if step.group == CREATE:
        status = {"status": "CONFIRMED"} if step.operation == "create_reservation" else {}
        return {**status, **(step.body or {}), "id": row_id}
    return {**(row or {}), **(step.body or {})}


def fixed_values(desired: Desired) -> list[Any]:
    """Return the values that only a creation sets, for their digest."""
    return [plain(desired.values.get(name)) for name in FIXED[desired.stream]]


def plain(value: object) -> str:
    """Return a value as it reads, without blanks, case and the way a phone number is grouped."""
    text = "".join(str(value).split()).casefold()
    return text.replace("-", "").replace("/", "") if text[:1] in "+0123456789" else text
