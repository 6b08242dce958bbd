"""What the mirror stores of a listed row: personal fields only as digests."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.contract import CALENDARS, RESERVATIONS, RESOURCES, TERM
from bookio_api.localtime import to_wall
from target_bookio.plan.operations import PERSON_FIELDS
from target_bookio.plan.same_meaning import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from target_bookio.plan.operations import Digest

FIXED = "fixed"
"""In a mirrored row: digests of the fields that no operation can change."""

_NUMBERS = ("externalId", "facilityId", "serviceId")
_INTEGER = re.compile(r"-?\d{1,18}")
_DATETIMES = {CALENDARS: ("validFrom", "validTo")}
# Fields that are mirrored as they are; they contain nothing personal.
_OPEN = {
    CALENDARS: ("id", *RESOURCES[CALENDARS].changes["modify_calendar"]),
    RESERVATIONS: ("id", "externalId", "facilityId", "serviceId", *TERM, "status"),
}
_OPEN_OF_OTHERS = ("id", "externalId", "facilityId", *TERM)


class Identity(NamedTuple):
    """Digests that identify a booking where lists hide ``externalId`` (rule 21)."""

    person: int | None = None
    """Name, surname, e-mail and phone; for a blocked time, the note."""
    place: int | None = None
    """Facility, service and start; for a blocked time, start and end."""


def mirrored(
    stream: str, listed: Mapping[str, Any], facility_id: int | None, tz: ZoneInfo, digest: Digest
) -> dict[str, Any]:
    """Return a listed row in the mirror's form, without fields that the list does not show."""
    row = {
        name: value
        for name in _OPEN.get(stream, _OPEN_OF_OTHERS)
        if (value := listed.get(name)) is not None
    }
    for name in _NUMBERS:  # a number may come as text (U)
        if isinstance(row.get(name), str | float) and _INTEGER.fullmatch(str(row[name])):
            row[name] = int(row[name])
    if facility_id is not None:
        row.setdefault("facilityId", facility_id)
    for name in _DATETIMES.get(stream, TERM):
        if name in row:
            row[name] = _wall(row[name], tz)
    if stream != CALENDARS:
        row[FIXED] = fixed_digests(stream, listed, digest)
    return row


def mirrored_creation(
    stream: str, row: Mapping[str, Any], fixed: Mapping[str, str]
) -> dict[str, Any]:
    """Return a new row in the mirror's form, before a list shows it.

    ``fixed`` are the `fixed_digests` of its record.
    """
    names = _OPEN.get(stream, _OPEN_OF_OTHERS)
    kept = {name: row[name] for name in names if row.get(name) is not None}
    if stream != CALENDARS:
        kept[FIXED] = fixed
    return kept


@cache
def personal_fields(stream: str) -> tuple[str, ...]:
    """Return the fixed fields that are stored only as digests."""
    open_ones = _OPEN.get(stream, _OPEN_OF_OTHERS)
    return tuple(name for name in RESOURCES[stream].fixed_fields if name not in open_ones)


def fixed_digests(stream: str, values: Mapping[str, Any], digest: Digest) -> dict[str, str]:
    """Return digests of a row's personal fields, by field, without those that are not shown."""
    shown = {name: values[name] for name in personal_fields(stream) if name in values}
    # An empty note is null. In any other field, null means that the list hides the value.
    return {
        name: digest(canonical(name, value))[:16]
        for name, value in shown.items()
        if value is not None or name == "note"
    }


def identity(stream: str, row: Mapping[str, Any], digest: Digest) -> Identity:
    """Return a mirrored row's identity; each part is ``None`` if a value of it is unknown."""
    if stream == CALENDARS:
        return Identity()
    fixed = row.get(FIXED, {})
    booked = stream == RESERVATIONS
    person = [fixed.get(name) for name in (PERSON_FIELDS if booked else ("note",))]
    place = [row.get(name) for name in ("facilityId", "serviceId" if booked else "dateTo")]
    place.append(row.get("dateFrom"))
    return Identity(
        None if None in person else _number(digest(person)),
        None if None in place else _number(digest(place)),
    )


def _number(text: str) -> int:
    return int(text[:15], 16)  # 60 bits, which fit into SQLite's integers


def _wall(value: Any, tz: ZoneInfo) -> Any:  # noqa: ANN401 - whatever Bookio sent
    try:
        return to_wall(value, tz)
    except (ValueError, TypeError):
        return value
