"""Quick checks of values, to avoid slow ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bookio_singer.nesting import Container

MIN_DATETIME_LENGTH = len("2018-06-29T12:00")
"""A date alone is left unchanged unless the schema expects a datetime."""


def is_like_datetime(text: str) -> bool:
    """Whether a text may be a date with a time."""
    return len(text) >= MIN_DATETIME_LENGTH and text[4] == "-"


def is_plain(container: Container) -> bool:
    """Whether a container has only null, booleans, floats, and texts without datetimes."""
    for item in container.values() if isinstance(container, dict) else container:
        kind = item.__class__
        if kind is str:
            if is_like_datetime(item):
                return False
        elif kind is int or kind is dict or kind is list:
            return False
    return True
