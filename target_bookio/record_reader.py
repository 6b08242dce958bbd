"""Parses Singer records.

Records of tap-bookio are accepted; read-only fields are ignored. Records that cannot be parsed are
rejected here, before anything is planned.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

from bookio_api.contract import CALENDARS, RESOURCES
from bookio_singer.expected import EXPECTED, EXPECTED_FIELDS
from target_bookio.desired import Desired, RecordError
from target_bookio.field_names import DELETED_AT, Columns, columns_of, shown_name
from target_bookio.field_readers import field_readers
from target_bookio.field_values import Reader, UnfitValueError, is_unwritable, read_datetime

logger = logging.getLogger(__name__)


def read_record(stream: str, record: Mapping[str, Any]) -> Desired:
    """Parse a record, or raise ``RecordError``."""
    columns = columns_of(stream, tuple(record))
    readers = _readers(stream)
    values: dict[str, Any] = {}
    unfit: dict[str, str] = {}
    for name, spellings in columns.fields.items():
        try:
            value = _value(name, spellings, record, readers[name])
        except UnfitValueError as error:
            unfit[name] = str(error)
        else:
            if value is not None:
                values[name] = value
    if unfit:
        msg = "; ".join(f"{name}: expected {form}" for name, form in unfit.items())
        raise RecordError(msg, tuple(unfit))
    _reject_misspellings(columns, record, values)
    deleted = values.pop(DELETED_AT, None) is not None
    expected = values.pop(EXPECTED, {})
    return Desired(stream, _key(stream, values), values, deleted, record, expected=expected)


def key_of(stream: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the key of a record that may be invalid, for a message about it."""
    if stream not in RESOURCES:
        return {"id": None}
    for name in ("id", "externalId"):
        if (number := _readable(stream, record, name)) is not None:
            return {name: number}
    if stream == CALENDARS:
        return {name: _readable(stream, record, name) for name in ("facilityId", "name")}
    return {"id": None}


def _value(
    name: str, spellings: tuple[str, ...], record: Mapping[str, Any], read: Reader
) -> object:
    """Return the value of a field, which may appear under several spellings of its name."""
    if len(spellings) == 1:  # nearly always
        return _read(name, record[spellings[0]], read)
    found = {column: _read(name, record[column], read) for column in spellings}
    present = [value for value in found.values() if value is not None]
    if any(value != present[0] for value in present[1:]):
        columns = ", ".join(map(shown_name, spellings))
        msg = f"{columns}: all mean {name}, but their values differ; keep only one of them"
        raise RecordError(msg, (name,))
    return present[0] if present else None


def _read(name: str, value: object, read: Reader) -> object:
    if value is None:
        return None
    if is_unwritable(value):
        _warn_of_unwritable(name)
    return read(value)


@cache
def _warn_of_unwritable(name: str) -> None:
    logger.warning(
        "%s: some records have a NUL or half a character, which became \ufffd",
        name,
    )


def _reject_misspellings(
    columns: Columns, record: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    """Raise if a column looks like a misspelling of a field that the record lacks."""
    slips = {
        column: name
        for column, name in columns.slips.items()
        if name not in values and _has_content(record[column])
    }
    if slips:
        msg = "; ".join(
            f"{shown_name(column)}: not a field of Bookio, did you mean {name}?"
            for column, name in slips.items()
        )
        raise RecordError(msg, tuple(map(shown_name, slips)))


def _has_content(value: object) -> bool:
    return isinstance(value, str | int | float) and bool(str(value).strip())


def _readable(stream: str, record: Mapping[str, Any], name: str) -> object:
    """Return the value of a field, ``None`` if it is missing or invalid."""
    columns = columns_of(stream, tuple(record)).fields.get(name, ())
    try:
        return _value(name, columns, record, _readers(stream)[name]) if columns else None
    except (RecordError, UnfitValueError):
        return None


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


def _read_deletion(value: object) -> str | None:
    """Return the time of a deletion. Other values are invalid: ``"false"`` must remove nothing."""
    try:
        return read_datetime(value)
    except UnfitValueError:
        msg = "the time of the deletion, such as 2026-12-01T08:00:00Z, or null"
        raise UnfitValueError(msg) from None


def _read_expected(stream: str, value: object) -> dict[str, Any]:
    """Return the values that a source last read, from an object or (in CSV files) JSON text."""
    fields = field_readers(stream)
    form = f"an object with some of {', '.join(name for name in EXPECTED_FIELDS if name in fields)}"
    try:
        values = json.loads(value or "{}") if isinstance(value, str) else value
        if not isinstance(values, Mapping):
            raise UnfitValueError(form)
        columns = columns_of(stream, tuple(values)).fields
        if len(columns) < len(values) or not columns.keys() <= {*EXPECTED_FIELDS}:
            raise UnfitValueError(form)
        read = {
            name: _value(name, spellings, values, fields[name])
            for name, spellings in columns.items()
        }
    except (ValueError, RecordError, RecursionError) as error:
        raise UnfitValueError(form) from error
    return {name: value for name, value in read.items() if value is not None}


@cache
def _readers(stream: str) -> Mapping[str, Reader]:
    def read_expected(value: object) -> dict[str, Any]:
        return _read_expected(stream, value)

    return {**field_readers(stream), DELETED_AT: _read_deletion, EXPECTED: read_expected}
