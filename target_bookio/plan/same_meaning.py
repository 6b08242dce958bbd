"""Whether two values mean the same although Bookio and a source write them differently.

Bookio may store values in its own form: a phone number in international form, a name in
Unicode NFC, a note with HTML entities. Such a difference is not a request for a change.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import phonenumbers

from bookio_api.contract import HOME_COUNTRY

_CASELESS = frozenset({"email", "locale", "name", "surname"})
"""Fields that ignore case. A calendar's name is compared by ``covers``, with case."""
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]0+)?)?")
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?")
_NUMBER = re.compile(r"[+-]?\d{1,30}(?:\.\d{1,30})?")


def means_the_same(field: str, ours: Any, theirs: Any) -> bool:  # noqa: ANN401 - any JSON values
    """Whether a record's value and Bookio's mean the same in this field.

    A blank text means the same as none. Lists mean the same in any order.
    """
    if field == "phone":
        return _phone(_written(ours)) == _phone(_written(theirs))
    return _same(ours, theirs, _folded if field in _CASELESS else _text)


def canonical(field: str, value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return the same text for all values that mean the same, so that their digests match."""
    return _canonical_text(field, value) if isinstance(value, str) else _canonical(field, value)


def _canonical(field: str, value: Any) -> str:  # noqa: ANN401 - any JSON value
    if field == "phone":
        return str(_phone(_written(value)))
    return str(_plain(value, _folded if field in _CASELESS else _text))


_canonical_text = lru_cache(maxsize=10_000)(_canonical)
"""Cached, because names repeat, and a record's values are compared more than once."""


def covers(theirs: Any, ours: Any) -> bool:  # noqa: ANN401 - any JSON values
    """Whether Bookio's value covers the record's; it may have more, such as ids."""
    return _covers(theirs, ours, _text)


def _same(ours: Any, theirs: Any, text: Callable[[str], str]) -> bool:  # noqa: ANN401
    return _covers(theirs, ours, text) and _covers(ours, theirs, text)


def _covers(theirs: Any, ours: Any, text: Callable[[str], str]) -> bool:  # noqa: ANN401
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return all(_covers(theirs.get(name), value, text) for name, value in ours.items())
    if _is_list(ours) and _is_list(theirs):
        return len(ours) == len(theirs) and _pairs(theirs, ours, text)
    if _is_number(ours) or _is_number(theirs):  # the other may be a number as text
        return _number(_written(ours)) == _number(_written(theirs))
    return _plain(ours, text) == _plain(theirs, text)


def _pairs(theirs: Sequence[Any], ours: Sequence[Any], text: Callable[[str], str]) -> bool:
    """Whether each of our items can be paired with a different item of theirs that covers it."""
    # Greedy, which is exact unless one item of theirs covers several of ours.
    left = list(theirs)
    for item in ours:
        match = next((n for n, other in enumerate(left) if _covers(other, item, text)), None)
        if match is None:
            return False
        del left[match]
    return True


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _written(value: object) -> str:
    return "" if value is None else _text(str(value))


def _plain(value: Any, text: Callable[[str], str]) -> object:  # noqa: ANN401 - any JSON value
    """Return a value in a canonical form, equal for all that mean the same."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _moment(text(value))
    return value


def _number(written: str) -> str:
    """Return a number as text: 17 for ``17.0``, and 0 for ``-0.0``."""
    if not _NUMBER.fullmatch(written):
        return written
    number = format(Decimal(written), "f")
    plain = number.rstrip("0").rstrip(".") if "." in number else number
    return "0" if plain in {"-0", ""} else plain


def _moment(written: str) -> str:
    """Return a time or datetime with seconds, and any other text unchanged."""
    if time := _TIME.fullmatch(written):
        return f"{int(time[1]):02}:{time[2]}:{time[3] or '00'}"
    if _DATETIME.fullmatch(written):
        try:
            return datetime.fromisoformat(written).isoformat()
        except ValueError:
            return written
    return written


def _text(value: str) -> str:
    """Return a text in NFC, without HTML entities, with single blanks."""
    return " ".join(unicodedata.normalize("NFC", html.unescape(value)).split())


def _folded(value: str) -> str:
    return unicodedata.normalize("NFC", _text(value).casefold())


@lru_cache(maxsize=10_000)
def _phone(written: str) -> object:
    """Return a phone number's parts or, if it is none, its text without separators."""
    try:
        number = phonenumbers.parse(written, HOME_COUNTRY)
    except phonenumbers.NumberParseException:
        return re.sub(r"[\s()./-]", "", written).casefold()
    return (number.country_code, number.national_number, number.extension)
