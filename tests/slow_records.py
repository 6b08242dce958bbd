"""Converts rows in the most obvious way: field by field, nothing prepared or cached.

It shares no code with tap_bookio/records/ but the pseudonyms, which have their own tests.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from bookio_api.localtime import parse_datetime

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from tap_bookio.records.privacy import Pseudonyms

MISSING = object()
INT64 = range(-(2**63), 2**63)


class SlowRecords:
    """Makes records by reading the schema again for every value."""

    def __init__(self, mode: str, pseudonyms: Pseudonyms | None, tz: ZoneInfo) -> None:
        self.mode, self.pseudonyms, self.tz = mode, pseudonyms, tz

    def record(self, row: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
        fields = schema.get("properties", {})
        made = {name: self.value(value, fields.get(name)) for name, value in row.items()}
        return {name: value for name, value in made.items() if value is not MISSING}

    def value(self, value: Any, field: dict[str, Any] | None) -> Any:  # noqa: PLR0911 - a case a line
        if field is None:
            return self.unknown(value) if self.mode == "keep" else MISSING
        if "x-personal" in field and self.mode == "omit":
            return MISSING
        if "x-personal" in field and self.pseudonyms:
            return self.pseudonyms.of(field["x-personal"], value)
        if value is None:
            return None
        [kind] = [kind for kind in _list(field["type"]) if kind != "null"]
        if field.get("format") == "date-time":
            return self.datetime(value)
        if kind == "object":
            return self.record(value, field) if isinstance(value, dict) else None
        if kind == "array":
            if not isinstance(value, list):
                return None
            items = [self.value(item, field["items"]) for item in value]
            return [None if item is MISSING else item for item in items]
        if isinstance(value, dict | list):
            is_text = kind == "string" and self.mode == "keep"
            return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if is_text else None
        return SCALARS[kind](value)

    def unknown(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self.unknown(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.unknown(item) for item in value]
        if type(value) is int and value not in INT64:
            return str(value)
        if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d.+\d:?\d\d", value):
            return self.datetime(value) or value
        return value

    def datetime(self, value: object) -> str | None:
        try:
            moment = parse_datetime(value) if isinstance(value, str) else None
        except ValueError:
            return None
        made = moment and rfc3339(moment, self.tz)
        return made.replace("+00:00", "Z") if made and str(value).endswith("Z") else made


def rfc3339(moment: datetime, tz: ZoneInfo) -> str:
    local = moment if moment.tzinfo else moment.replace(tzinfo=tz)
    minutes = round(local.utcoffset().total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    offset = f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    return f"{moment.replace(tzinfo=None).isoformat()}{offset}"


def integer(value: Any) -> int | None:
    if isinstance(value, bool) or (isinstance(value, float) and value != int(value)):
        return None
    if isinstance(value, str) and not re.fullmatch(r"\s*-?[0-9]{1,19}(\.0+)?\s*", value):
        return None
    number = int(value.split(".")[0]) if isinstance(value, str) else int(value)
    return number if number in INT64 else None


def number(value: Any) -> float | None:
    if type(value) is float or (type(value) is int and value in INT64):
        return value
    try:
        real = None if isinstance(value, bool) else float(value)
    except (ValueError, OverflowError):
        return None
    return real if real is not None and math.isfinite(real) else None


def text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def boolean(value: Any) -> bool | None:
    words = {"true": True, "1": True, "false": False, "0": False}
    return None if isinstance(value, float) else words.get(str(value).lower())


SCALARS = {"integer": integer, "number": number, "string": text, "boolean": boolean}


def _list(kinds: str | list[str]) -> list[str]:
    return [kinds] if isinstance(kinds, str) else kinds
