"""What Meltano does to settings on their way to a plugin, and how to tell.

Meltano resolves settings itself (meltano.yml, environment, ``.env``), writes them into a file for
``--config`` and sets a variable for each of them. Read in Meltano 4.4.1.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAMES = ("MELTANO_EXTRACTOR_NAME", "MELTANO_LOADER_NAME")
_STREAM_MAPS = ("MELTANO_EXTRACT_STREAM_MAPS", "MELTANO_LOAD_STREAM_MAPS")


def is_run_by_meltano() -> bool:
    """Whether Meltano started this process, so that variables repeat the file's settings."""
    return any(name in os.environ for name in _NAMES)


def with_nulls(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with the nulls of ``stream_maps`` that Meltano dropped.

    ``email: null`` in meltano.yml means that the field is removed. Meltano leaves it out of the
    file, so that a patient's address would be loaded, but shows it in a variable:
    ``{"reservations.email": null}``.
    """
    if not is_run_by_meltano():
        return dict(settings)
    maps: dict[str, Any] = {**(settings.get("stream_maps") or {})}
    for stream, field in _dropped():
        if field is None:
            maps.setdefault(stream, None)
        elif isinstance(rules := maps.get(stream, {}), dict):
            maps[stream] = {field: None, **rules}
    return {**settings, "stream_maps": maps} if maps else dict(settings)


def _dropped() -> Iterator[tuple[str, str | None]]:
    """Yield stream and field of each null; no field where the whole stream is null."""
    for variable in _STREAM_MAPS:
        try:
            maps = json.loads(os.environ.get(variable) or "{}")
        except ValueError:
            continue
        for path, rule in maps.items() if isinstance(maps, dict) else ():
            stream, _, field = path.partition(".")
            if rule is None:
                yield stream, field or None
            elif isinstance(rule, dict):
                yield from ((path, name) for name, value in rule.items() if value is None)
