"""Parses the value of a field, in every form that sources use.

A reader returns the value in Bookio's form, or ``None`` for null and for blank text in a number, a
date or a choice. It raises ``UnfitValueError`` for anything else, rather than lose a digit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from bookio_api.localtime import parse_moment, to_wall, zone

DATETIME_FORM = "a date and time such as 2026-12-01T08:00:00+01:00, or without offset in wall time"

_INTEGER = re.compile(r"[+-]?[0-9]{1,30}(?:\.0*)?")
_LEAP_SECOND = re.compile(r":60\b")
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
_MAX_EXACT_FLOAT = 2**53
_MIN_INT64, _MAX_INT64 = -(2**63), 2**63 - 1
_UTC = zone("UTC")

Reader = Callable[[Any], Any]


class UnfitValueError(ValueError):
    """A value that does not fit the field; the message is the expected form."""


def reader_for(schema: Mapping[str, Any]) -> Reader:
    """Return the reader of a field, from its JSON Schema in ``schemas/write/``."""
    if "enum" in schema:
        return _choice_reader(tuple(schema["enum"]))
    if "pattern" in schema:  # only datetimes have one
        return read_datetime
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if kinds[0] == "integer":
        return _integer_reader(schema.get("minimum", _MIN_INT64), schema.get("maximum", _MAX_INT64))
    return read_list if kinds[0] == "array" else read_text


def _integer_reader(minimum: int, maximum: int) -> Reader:
    def read_integer(value: object) -> int | None:
        number = _whole_number(value)
        if number is not None and not minimum <= number <= maximum:
            msg = "a whole number of at most 64 bits"
            raise UnfitValueError(msg)
        return number

    return read_integer


def _whole_number(value: object) -> int | None:
    """Return ``17`` for ``17``, ``17.0`` and ``" 17 "``; accept a float only if it is exact."""
    if type(value) is int:
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) <= _MAX_EXACT_FLOAT:
        return int(value)
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        if _INTEGER.fullmatch(text):
            return int(text.partition(".")[0])
    msg = "a whole number"
    raise UnfitValueError(msg)


def read_text(value: object) -> str:
    """Return a text; NUL and lone surrogates, which cannot be stored, become U+FFFD."""
    if not isinstance(value, str):
        msg = "a text"
        raise UnfitValueError(msg)
    return _UNWRITABLE.sub("\ufffd", value) if is_unwritable(value) else value


def is_unwritable(value: object) -> bool:
    """Whether ``read_text`` would have to replace something."""
    if not isinstance(value, str):
        return False
    return "\0" in value if value.isascii() else bool(_UNWRITABLE.search(value))


def read_datetime(value: object) -> str | None:
    """Return a datetime in RFC 3339 form, without an offset if it had none."""
    if isinstance(value, str) and not value.strip():
        return None
    # Bookio does not accept a leap second.
    if isinstance(value, str) and not _LEAP_SECOND.search(value):
        try:
            moment = str(parse_moment(value))
            to_wall(moment, _UTC)  # also rejects dates that are out of range in UTC
        except ValueError:
            pass
        else:
            return moment
    raise UnfitValueError(DATETIME_FORM)


def is_instant(moment: str) -> bool:
    """Whether a datetime has an offset, so that it is the same moment in every zone."""
    return parse_moment(moment).offset is not None


def read_list(value: object) -> list[dict[str, Any]]:
    """Return a list of objects."""
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    msg = "a list of objects"
    raise UnfitValueError(msg)


def _choice_reader(choices: tuple[str, ...]) -> Reader:
    def read_choice(value: object) -> str | None:
        text = value.strip() if isinstance(value, str) else value
        if text == "":
            return None
        if text not in choices:
            msg = f"one of {', '.join(choices)}"
            raise UnfitValueError(msg)
        return str(text)

    return read_choice
