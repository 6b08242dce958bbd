"""One request of a plan, and what it changes in the mirror and the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.contract import BLOCKED_TIMES, CALENDARS, FIRST_STATUS, RESERVATIONS, RESOURCES
from target_bookio.effects import EFFECTS, Effect

if TYPE_CHECKING:
    from target_bookio.desired import Desired

Row = Mapping[str, Any]
"""A row in the mirror's form: `listed_row.mirrored`."""

Digest = Callable[[object], str]
"""A keyed hash of a JSON value."""


PERSON_FIELDS = ("name", "surname", "email", "phone")

_DIGESTED = {
    RESERVATIONS: (*PERSON_FIELDS, "locale", "serviceId", "facilityId", "note"),
    BLOCKED_TIMES: ("facilityId", "note"),
    CALENDARS: (),
}
"""The fixed fields, in the order in which journals digest them. Never change it or `PERSON_FIELDS`:
with an older journal, every row would seem to have other values than at its creation."""

_CHANGED = {
    operation: fields
    for resource in RESOURCES.values()
    for operation, fields in resource.changes.items()
}
"""The fields that each operation may change."""


class Step(NamedTuple):
    """One request."""

    operation: str
    body: Mapping[str, Any] | None = None
    """The request body. The path gets the row's id."""

    @property
    def effect(self) -> Effect:
        """What it changes."""
        return EFFECTS[self.operation]

    @property
    def changed(self) -> tuple[str, ...]:
        """The fields that it may change."""
        return _CHANGED.get(self.operation, ())


def intended(step: Step, digest: Digest) -> dict[str, str]:
    """Return what shows later whether a step was carried out: digests by field.

    The digest is empty for a value that Bookio decides, such as the end of a moved reservation.
    """
    body = step.body or {}
    wanted = {name: body[name] for name in step.changed if name in body}
    return {
        name: "" if value is None else digest(without_ids(value)) for name, value in wanted.items()
    }


def values_before(step: Step, row: Row | None, digest: Digest) -> dict[str, str]:
    """Return digests of the values that a step replaces, by field (rule 15)."""
    return {
        name: digest(without_ids(value))
        for name in step.changed
        if row is not None and (value := row.get(name)) is not None
    }


def after(step: Step, row: Row | None, row_id: int | None) -> Row | None:
    """Return the row after a step, without values that Bookio decides; ``None`` if removed."""
    if step.effect is Effect.REMOVE:
        return None
    if step.effect is Effect.CREATE:
        status = {"status": FIRST_STATUS} if step.operation == "create_reservation" else {}
        return {**status, **(step.body or {}), "id": row_id}
    # The body may have other fields, such as a cancellation's reason, which no row shows.
    sent = {name: value for name, value in (step.body or {}).items() if name in step.changed}
    return {name: value for name, value in {**(row or {}), **sent}.items() if value is not None}


def without_ids(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value without the ids that Bookio assigns to its parts."""
    if isinstance(value, Mapping):
        return {name: without_ids(inner) for name, inner in value.items() if name != "id"}
    if isinstance(value, list | tuple):
        return [without_ids(inner) for inner in value]
    return value


def fixed_values(desired: Desired) -> list[Any]:
    """Return the values that only a creation sets, in the form of their digest."""
    return [plain(desired.values.get(name)) for name in _DIGESTED[desired.stream]]


@lru_cache(maxsize=1_000, typed=True)
def plain(value: object) -> str:
    """Return a value in the form that journals have always digested.

    Without blanks and case; and without dashes and slashes if it begins like a phone number.
    """
    text = "".join(str(value).split()).casefold()
    return text.replace("-", "").replace("/", "") if text[:1] in "+0123456789" else text
