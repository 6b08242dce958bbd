"""Checks of a request that do not depend on the rows (code 10)."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import msgspec

from bookio_api.contract import OPERATIONS
from bookio_api.errors import Code
from bookio_api.schemas import write_schema
from bookio_sandbox.api.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

INT64 = 2**63

_VALIDATORS = {
    operation.name: jsonschema_rs.Draft202012Validator(write_schema(operation.body))
    for operation in OPERATIONS.values()
    if operation.body
}


def whole_number(name: str, text: str, lowest: int = -INT64, highest: int = INT64 - 1) -> int:
    """Parse a number in a path or a query. ``Refusal`` if it is invalid or out of bounds."""
    if re.fullmatch(r"-?[0-9]{1,19}", text) and lowest <= int(text) <= highest:
        return int(text)
    raise Refusal(Code.VALIDATION, f"{name}: must be a whole number from {lowest} to {highest}")


def day(name: str, text: str) -> str:
    """Return a date in a query, ``2018-06-29``. ``Refusal`` if there is no such day."""
    try:
        known = date.fromisoformat(text).isoformat()
    except ValueError:
        known = None
    if text != known:
        raise Refusal(Code.VALIDATION, f"{name}: must be a date such as 2018-06-29")
    return text


def path_id(path: Mapping[str, str]) -> int:
    """Return the id in the path, 0 if the operation has none."""
    for name, text in path.items():
        return whole_number(name, text)
    return 0


def validated(name: str, body: bytes) -> dict[str, Any]:
    """Return the known fields of a write's body, ``{}`` if the write has no body."""
    if name not in _VALIDATORS:
        return {}
    try:
        values: Any = msgspec.json.decode(body)
        errors = [
            f"{'.'.join(map(str, error.instance_path)) or 'body'}: {error.message}"
            for error in _VALIDATORS[name].iter_errors(values)
        ]
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise Refusal(Code.VALIDATION, "the body is not valid JSON") from None
    if errors:
        raise Refusal(Code.VALIDATION, *errors)
    for field in ("dateFrom", "dateTo", "validFrom", "validTo"):
        if values.get(field) is not None:
            _check_datetime(field, values[field])
    known = write_schema(OPERATIONS[name].body or "")["properties"]
    return {k: int(v) if isinstance(v, float) else v for k, v in values.items() if k in known}


def _check_datetime(field: str, text: str) -> None:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(Code.VALIDATION, f"{field}: {text} is not a valid date") from None


def check_term(start: str, end: str) -> None:
    """Refuse a term that does not end after its start."""
    if end <= start:
        raise Refusal(Code.VALIDATION, f"dateTo: {end} is not after dateFrom")


def later(start: datetime, minutes: int) -> str:
    """Return the wall time some minutes after ``start``."""
    try:
        return (start + timedelta(minutes=minutes)).isoformat()
    except OverflowError:
        raise Refusal(Code.VALIDATION, "dateFrom: is too far in the future") from None
