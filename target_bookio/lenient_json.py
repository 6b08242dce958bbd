"""Decodes JSON as sources write it: what cannot be decoded affects only its field, not its line."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

REPLACEMENT = "\ufffd"
MAX_DEPTH = 100
"""Depth of nesting beyond which a value of a line that is not strict JSON is not decoded."""

_BROKEN_BYTE = re.compile("[\udc80-\udcff]")
"""A byte that is not UTF-8, as ``surrogateescape`` decodes it."""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_TEXT_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


class Undecodable(str):
    """Takes the place of a value that cannot be decoded: a huge number, or a deep nesting."""

    __slots__ = ()


def _whole_number(digits: str) -> int | Undecodable:
    try:
        return int(digits)
    except ValueError:  # more digits than Python converts
        return Undecodable(REPLACEMENT)


_decode_strict = msgspec.json.Decoder().decode
_decode_lenient = json.JSONDecoder(strict=False, parse_int=_whole_number).decode
"""Accepts NaN, Infinity, lone surrogates and control characters, which msgspec rejects."""
_HUGE_NUMBER = "9" * 10_000
"""Stands for a deep value in the text of a line: it is decoded as `Undecodable`."""


def decode(line: bytes) -> tuple[object, bool]:
    """Return the JSON of a line, or ``None``; and whether it is not strict JSON."""
    try:
        return _decode_strict(line), False
    except (ValueError, RecursionError):
        pass
    try:
        return _decode_lenient(_without_deep_values(line.decode("utf-8", "surrogateescape"))), True
    except (ValueError, RecursionError):
        return None, True


def has_broken_byte(value: object) -> bool:
    """Whether any text or name in a decoded value has a byte that is not UTF-8."""
    return _any_text(value, _BROKEN_BYTE.search)


def has_lone_surrogate(value: object) -> bool:
    """Whether any text or name in a decoded value has half a character."""
    return _any_text(value, _LONE_SURROGATE.search)


def has_undecodable(value: object) -> bool:
    """Whether any part of a decoded value could not be decoded."""
    return _any_text(value, lambda text: isinstance(text, Undecodable))


def without_surrogates(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a decoded value with a replacement for every surrogate."""
    if isinstance(value, str):
        return _LONE_SURROGATE.sub(REPLACEMENT, value)
    if isinstance(value, dict):
        return {without_surrogates(k): without_surrogates(v) for k, v in value.items()}
    return [without_surrogates(item) for item in value] if isinstance(value, list) else value


def _any_text(value: object, holds: Callable[[str], object]) -> bool:
    if isinstance(value, str):
        return bool(holds(value))
    if isinstance(value, dict):
        return any(_any_text(part, holds) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(_any_text(item, holds) for item in value)


def _without_deep_values(text: str) -> str:
    """Replace the values below `MAX_DEPTH`, at which the decoder would give up on the line."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return text
    kept: list[str] = []
    start, depth = 0, 0
    for token in _TEXT_OR_BRACKET.finditer(text):
        if token[0] in {"[", "{"}:
            depth += 1
            if depth == MAX_DEPTH + 1:
                kept += text[start : token.start()], _HUGE_NUMBER
        elif token[0] in {"]", "}"}:
            if depth == MAX_DEPTH + 1:
                start = token.end()
            depth -= 1
    return "".join((*kept, text[start:]))
