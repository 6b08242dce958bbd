"""Converts values of an unexpected type, if that is lossless."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

JSON_TYPES: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
"""The types of JSON values except null, as JSON Schema names them."""
MIN_INT64, MAX_INT64 = -(2**63), 2**63 - 1
"""Bounds of an integer that every loader can store."""

_INTEGER_TEXT = re.compile(r"\s*(-?\d{1,19})(\.0+)?\s*", re.ASCII)
_encoder = msgspec.json.Encoder()
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def to_json(values: list[Any]) -> list[str]:
    """Return values as JSON, which contains no raw line break."""
    return _encoder.encode_lines(values).decode().removesuffix("\n").split("\n")


def to_text(value: object) -> str:
    """Return a text as it is, and any other value as JSON."""
    return value if isinstance(value, str) else _encoder.encode(value).decode()


def to_integer(value: object) -> int | None:
    """Return a whole number within int64, even if sent as text or as ``30.0``."""
    integer = None
    if type(value) is int or (isinstance(value, float) and value.is_integer()):
        integer = int(value)
    elif isinstance(value, str) and (match := _INTEGER_TEXT.fullmatch(value)):
        integer = int(match[1])
    return integer if integer is not None and MIN_INT64 <= integer <= MAX_INT64 else None


def to_number(value: object) -> float | None:
    """Return a finite float64, even if sent as text or beyond int64."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def to_boolean(value: object) -> bool | None:
    """Return a boolean, even if sent as ``"true"``, ``"1"`` or ``1``."""
    return _BOOLEANS.get(str(value).lower()) if isinstance(value, str | int) else None


COERCIONS: dict[str, Callable[[Any], object]] = {
    "string": to_text,
    "integer": to_integer,
    "number": to_number,
    "boolean": to_boolean,
}
"""Converters by expected JSON Schema type; nothing is converted to an object or array."""
