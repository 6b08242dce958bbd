"""How deeply a value is nested: too deeply for a JSON encoder or a loader, or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

Container = dict[str, Any] | list[Any]

_CONTAINERS = frozenset({dict, list})
MAX_LEVELS = 100
"""Levels of containers in a field; Python recurses a thousand times, loaders too."""


def is_deeper(containers: Iterable[Container], levels: int) -> bool:
    """Whether any of these containers is nested deeper than this, itself included."""
    for _ in range(levels):
        containers = [
            item
            for container in containers
            for item in (container.values() if isinstance(container, dict) else container)
            if item.__class__ in _CONTAINERS
        ]
        if not containers:
            return False
    return True
