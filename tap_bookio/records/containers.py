"""Quick looks at values, to see whether a slow one is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LEVELS = 100
"""Levels of containers in a field; Python recurses a thousand times, loaders too."""
MIN_DATETIME_LENGTH = len("2018-06-29T12:00")
"""A date alone is left as it is where no schema says that a datetime is expected."""


def is_like_datetime(text: str) -> bool:
    """Whether a text may be a date with a time."""
    return text[4:5] == "-" and len(text) >= MIN_DATETIME_LENGTH


def is_plain(container: dict[str, Any] | list[Any]) -> bool:
    """Whether a container holds nothing but null, booleans, floats, and texts without datetimes."""
    for item in container.values() if isinstance(container, dict) else container:
        kind = item.__class__
        if kind is str:
            if is_like_datetime(item):
                return False
        elif kind in _CLOSER:
            return False
    return True


def is_deeper(value: object, levels: int) -> bool:
    """Whether a value is made of containers nested deeper than this."""
    if isinstance(value, dict):
        return _has_deeper(value.values(), levels)
    return isinstance(value, list) and _has_deeper(value, levels)


def _has_deeper(items: Iterable[object], levels: int) -> bool:
    for item in items:
        if item.__class__ in _CONTAINERS and (levels <= 1 or is_deeper(item, levels - 1)):
            return True
    return False


_CONTAINERS = frozenset((dict, list))
_CLOSER = _CONTAINERS | {int}
