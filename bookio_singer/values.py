"""Parses texts, names and values of settings, from files and variables alike."""

from __future__ import annotations

import codecs
import json
import math
import re
from datetime import datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from bookio_api.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_BOOLEANS = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_FORMS: dict[str, tuple[str, type | tuple[type, ...], str]] = {
    "array": ("a list", list, "[8675, 8712]"),
    "object": ("an object", dict, '{"list_reservations": "GET /reservations"}'),
    "integer": ("a whole number", int, "4"),
    "number": ("a number", (int, float), "2.5"),
    "boolean": ("true or false", (), "true"),
}
"""For a type of JSON Schema: its name in a message, its Python type, and an example."""
_SIMILARITY = 0.75
"""From this ratio on, a name counts as a misspelling of another."""
_DATETIME = re.compile(r"\d{4}-\d\d-\d\d[T ]")


def parse_json(content: str | bytes, source: str) -> Any:  # noqa: ANN401
    """Return the JSON of a file or variable, which a ``SettingsError`` names.

    A byte order mark and UTF-16 are read, as JSON tells them apart.
    """
    try:
        text = (
            content if isinstance(content, str) else content.decode(json.detect_encoding(content))
        )
        return json.loads(text, parse_float=_number, parse_constant=_number)
    except UnicodeDecodeError as error:
        msg = f"{source} is not UTF-8; save it as UTF-8"
        raise SettingsError(msg) from error
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        msg = f"{source} is not JSON" + (f" (line {line})" if line else "")
        raise SettingsError(msg) from error


def encoding_problem(content: bytes) -> str | None:
    """Return what is wrong with the encoding of a text file, which should be UTF-8."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content[:4]:
        return "is not text in UTF-8 (it looks like UTF-16); save it as UTF-8"
    try:
        content.decode()
    except ValueError:
        return "is not text in UTF-8; save it as UTF-8"
    return None


def likeliest(name: str, known: Iterable[str]) -> str | None:
    """Return the setting that was probably meant."""
    found = get_close_matches(name.lower().replace("-", "_"), list(known), 1, _SIMILARITY)
    return found[0] if found else None


def is_text(schema: Mapping[str, Any]) -> bool:
    """Whether a setting accepts any text."""
    return not set(_FORMS) & _types(schema)


def value_of(source: str, text: str, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return the value that a text stands for, in the type of its setting.

    ``source`` is where it was found: a variable, or a setting in a file. The text itself is never
    shown, because it may be a misplaced secret.
    """
    if is_text(schema):
        return _day(text) if schema.get("format") == "date" else text
    types = _types(schema)
    kind = next(kind for kind in _FORMS if kind in types)
    name, python_type, example = _FORMS[kind]
    if kind == "boolean" and text.strip().lower() in _BOOLEANS:
        return _BOOLEANS[text.strip().lower()]
    if text in schema.get("enum", ()):
        return text
    try:
        value = parse_json(text, source)
    except SettingsError:
        name = "JSON" if kind in {"array", "object"} else name
    else:
        if isinstance(value, python_type) and not isinstance(value, bool):
            return value
        if value is None and "null" in types:
            return None
    msg = f"{source} is not {name}; write it as {example}"
    raise SettingsError(msg)


def _types(schema: Mapping[str, Any]) -> set[str]:
    types = schema.get("type", "string")
    return {types} if isinstance(types, str) else set(types)


def _day(text: str) -> str:
    """Return the day of a datetime, into which Meltano turns ``7 days ago``."""
    if _DATETIME.match(text):
        try:
            return datetime.fromisoformat(text).date().isoformat()
        except ValueError:  # the tap reports what is not a date
            return text
    return text


def _number(text: str) -> float:
    """Return a whole number as ``int``; infinity and NaN are not JSON."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return int(value) if value.is_integer() else value
