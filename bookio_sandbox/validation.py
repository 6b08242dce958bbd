"""What Bookio checks before it looks at its rows (code 10)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import jsonschema
import msgspec

from bookio_api.contract import OPERATIONS
from bookio_api.schemas import write_schema
from bookio_sandbox.errors import NOT_FOUND, VALIDATION, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

_VALIDATORS = {
    operation.name: jsonschema.Draft202012Validator(write_schema(operation.body))
    for operation in OPERATIONS.values()
    if operation.body
}


def path_id(path: Mapping[str, str]) -> int:
    """Return the id in the path, 0 if the operation has none."""
    for name, text in path.items():
        try:
            number = int(text)
        except ValueError:
            raise Refusal(VALIDATION, f"{name}: must be a number") from None
        if abs(number) >= 2**63:
            raise Refusal(NOT_FOUND, f"{name}: there is no {number}")
        return number
    return 0


def validated(name: str, body: bytes) -> dict[str, Any]:
    """Return the known fields of a write's body, ``{}`` if it takes none."""
    if name not in _VALIDATORS:
        return {}
    try:
        values: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise Refusal(VALIDATION, "the body is not JSON") from None
    errors = [
        f"{'.'.join(map(str, error.absolute_path)) or 'body'}: {error.message}"
        for error in _VALIDATORS[name].iter_errors(values)
    ]
    if errors:
        raise Refusal(VALIDATION, *errors)
    for field in ("dateFrom", "dateTo", "validFrom", "validTo"):
        if values.get(field) is not None:
            _refuse_no_datetime(field, values[field])
    known = _VALIDATORS[name].schema["properties"]
    return {k: int(v) if isinstance(v, float) else v for k, v in values.items() if k in known}


def _refuse_no_datetime(field: str, text: str) -> None:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(VALIDATION, f"{field}: {text} is no date") from None


def refuse_backwards(start: str, end: str) -> None:
    """Refuse a term that ends before it begins."""
    if end <= start:
        raise Refusal(VALIDATION, f"dateTo: {end} is not after dateFrom")


def later(start: datetime, minutes: int) -> str:
    """Return the wall time some minutes after ``start``."""
    try:
        return (start + timedelta(minutes=minutes)).isoformat()
    except OverflowError:
        raise Refusal(VALIDATION, "dateFrom: is too late") from None
