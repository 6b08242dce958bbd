"""Quick looks at values, to see whether a slow one is needed."""

from __future__ import annotations

from typing import Any

Container = dict[str, Any] | list[Any]

MAX_LEVELS = 100
"""Levels of containers in a field; Python recurses a thousand times, loaders too."""
MIN_DATETIME_LENGTH = len("2018-06-29T12:00")
"""A date alone is left as it is where no schema says that a datetime is expected."""


def is_like_datetime(text: str) -> bool:
    """Whether a text may be a date with a time."""
    return len(text) >= MIN_DATETIME_LENGTH and text[4] == "-"


def is_plain(container: Container) -> bool:
    """Whether a container holds nothing but null, booleans, floats, and texts without datetimes."""
    for item in container.values() if isinstance(container, dict) else container:
        kind = item.__class__
        if kind is str:
            if is_like_datetime(item):
                return False
        elif kind is int or kind is dict or kind is list:
            return False
    return True


def is_deeper(container: Container, levels: int) -> bool:
    """Whether containers are nested deeper than this, this one included."""
    for item in container.values() if isinstance(container, dict) else container:
        kind = item.__class__
        if (kind is dict or kind is list) and (levels <= 1 or is_deeper(item, levels - 1)):
            return True
    return False
