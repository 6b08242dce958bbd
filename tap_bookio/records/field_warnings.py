"""Warnings about fields: few, and without names that may be personal data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

MAX_WARNINGS = 20
MAX_NAME_LENGTH, MAX_PATH_LENGTH = 40, 100
UNUSUAL = "with an unusual name"

_LONG_NUMBER = re.compile(r"\d{5}")
"""Typical of phone numbers, birth numbers and ids of persons, not of field names."""


class FieldWarnings:
    """Warns about each problem of a field once, up to ``MAX_WARNINGS`` per stream."""

    def __init__(self, stream: str, logger: logging.Logger) -> None:
        """Start without warnings."""
        self._stream = stream
        self._logger = logger
        self._warned: set[tuple[str, str]] = set()
        """Fields as shown, with their problems; only `warn` adds to it."""

    def warn(self, path: str, problem: str) -> None:
        """Log a problem of a field; ``path`` has dots between the names."""
        if (path, problem) in self._warned or len(self._warned) > MAX_WARNINGS:
            return  # first, because every row may have the problem
        shown = path if _is_usual(path) else UNUSUAL
        if (shown, problem) in self._warned:
            return
        self._warned.add((shown, problem))
        if len(self._warned) > MAX_WARNINGS:
            self._logger.warning("%s: more fields are like that; no more are shown", self._stream)
        else:
            self._logger.warning("%s: the field %s %s", self._stream, shown, problem)


def _is_usual(path: str) -> bool:
    """Whether all parts of a path look like identifiers."""
    return len(path) <= MAX_PATH_LENGTH and all(
        name.isascii()
        and name.isidentifier()
        and len(name) <= MAX_NAME_LENGTH
        and not _LONG_NUMBER.search(name)
        for name in path.split(".")
    )
