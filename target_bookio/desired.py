"""What a Singer record says should be in Bookio.

Records as tap-bookio emits them are accepted: fields that no write takes are ignored. What is
wrongly typed is refused here, once and cheaply, before anything is planned.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bookio_api.contract import RESERVATION_STATUSES
from bookio_api.localtime import to_wall, zone
from bookio_api.schemas import write_schema

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

RESERVATIONS, BLOCKED_TIMES, CALENDARS = "reservations", "blocked_times", "calendars"
DELETED_AT = "_sdc_deleted_at"
INT64 = 2**63

_BODIES = {
    RESERVATIONS: ("reservation", "reservation_status", "reservation_term", "reservation_sync"),
    BLOCKED_TIMES: ("blocked_time", "blocked_time_term"),
    CALENDARS: ("calendar", "calendar_end"),
}
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")


class RecordError(Exception):
    """A record that cannot be written; the message and the fields say why, without values."""

    def __init__(self, message: str, fields: tuple[str, ...] = ()) -> None:
        """Name the fields at fault."""
        super().__init__(message)
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Desired:
    """One record: its key and the values that it sets, ``None`` ones left out."""

    stream: str
    key: str
    """``id:17``, ``externalId:42``, or ``name:…`` for a calendar without id."""
    values: Mapping[str, Any]
    deleted: bool
    record: Mapping[str, Any]
    """As it came."""
    place: int = 0
    """Where it stood in its batch."""

    @property
    def id(self) -> int | None:
        """Bookio's number."""
        return self.values.get("id")

    @property
    def external_id(self) -> int | None:
        """The number in the clinic's own system."""
        return self.values.get("externalId")

    @property
    def facility_id(self) -> int | None:
        """The facility, if the record names it."""
        return self.values.get("facilityId")

    @property
    def names(self) -> list[str]:
        """Return every key that the record itself gives its row."""
        numbers = {"id": self.id, "externalId": self.external_id}
        return [f"{name}:{number}" for name, number in numbers.items() if number is not None]

    def in_zone(self, tz: ZoneInfo) -> Desired:
        """Return it with the facility's wall time for every datetime, or raise ``RecordError``."""
        walls = {}
        for name in DATETIMES[self.stream] & self.values.keys():
            try:
                walls[name] = to_wall(self.values[name], tz)
            except ValueError as error:
                raise _unfit((name,)) from error
        return replace(self, values={**self.values, **walls})


def read_record(stream: str, record: Mapping[str, Any]) -> Desired:
    """Return what a record says, or raise ``RecordError``."""
    checks = _CHECKS[stream]
    values = {name: record[name] for name in checks if record.get(name) is not None}
    wrong = tuple(name for name, value in values.items() if not checks[name](value))
    if wrong:
        raise _unfit(wrong)
    if misspelt := _misspelt(stream, record):
        names = ", ".join(f"{wrong} for {right}" for wrong, right in misspelt.items())
        raise RecordError(f"misspelt: {names}; a warehouse may need quotes", tuple(misspelt))
    return Desired(stream, _key(stream, values), values, bool(record.get(DELETED_AT)), record)


def _unfit(names: tuple[str, ...]) -> RecordError:
    msg = f"{', '.join(names)}: not of the type, or not one of the values, that Bookio takes"
    return RecordError(msg, names)


def _misspelt(stream: str, record: Mapping[str, Any]) -> dict[str, str]:
    """Return names that are a known one but for case, as warehouses write them, with that one."""
    right = _SPELLINGS[stream]
    return {
        name: right[name.casefold()]
        for name in record.keys() - _CHECKS[stream].keys()
        if name.casefold() in right and record[name] is not None
    }


def key_of(stream: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the key of a record that may be broken, for a line about it."""
    for name in ("id", "externalId"):
        if type(record.get(name)) is int:
            return {name: record[name]}
    if stream == CALENDARS:
        checks = {"facilityId": _is_integer, "name": _is_text}
        fits = {name: record[name] for name, check in checks.items() if check(record.get(name))}
        return {name: fits.get(name) for name in checks}
    return {"id": None}


def _key(stream: str, values: Mapping[str, Any]) -> str:
    for name in ("id", "externalId"):
        if name in values:
            return f"{name}:{values[name]}"
    if stream == CALENDARS:
        if "facilityId" in values and "name" in values:
            return f"name:{values['facilityId']}:{values['name']}"
        msg = "a calendar needs an id, or a facilityId and a name"
        raise RecordError(msg, ("id", "facilityId", "name"))
    msg = "a record needs an id or an externalId"
    raise RecordError(msg, ("id", "externalId"))


def _is_integer(value: object) -> bool:
    return type(value) is int and -INT64 <= value < INT64


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_datetime(value: object) -> bool:
    if not isinstance(value, str) or not _DATETIME.fullmatch(value):
        return False
    try:
        return bool(to_wall(value, _UTC))
    except ValueError:
        return False


def _is_status(value: object) -> bool:
    return value in RESERVATION_STATUSES


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _check_of(name: str, field: Mapping[str, Any]) -> Callable[[object], bool]:
    if name == "status":
        return _is_status
    if "pattern" in field:
        return _is_datetime
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    return {"integer": _is_integer, "array": _is_list}.get(kinds[0], _is_text)


def _checks(stream: str) -> dict[str, Callable[[object], bool]]:
    checks: dict[str, Callable[[object], bool]] = {"id": _is_integer}
    for body in _BODIES[stream]:
        for name, field in write_schema(body)["properties"].items():
            checks[name] = _check_of(name, field)
    return checks


_UTC = zone("UTC")
_CHECKS = {stream: _checks(stream) for stream in _BODIES}
_SPELLINGS = {
    stream: {name.casefold(): name for name in checks} for stream, checks in _CHECKS.items()
}
DATETIMES = {
    stream: frozenset(name for name, check in checks.items() if check is _is_datetime)
    for stream, checks in _CHECKS.items()
}
"""The fields of each stream that are datetimes."""
