"""Warnings about fields, whose names a server chooses: few, and none that may be a person's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

MOST_WARNINGS = 20
LONGEST_NAME, LONGEST_PATH = 40, 100
_NUMBER = re.compile(r"\d{5}")
"""What names of fields do not hold, but phones, birth numbers and ids of persons do."""
UNUSUAL = "with an unusual name"


class FieldWarnings:
    """Warns of each field of a stream once, and of ``MOST_WARNINGS`` in all."""

    def __init__(self, stream: str, logger: logging.Logger) -> None:
        """Start with no field warned of."""
        self._stream = stream
        self._logger = logger
        self._warned: set[str] = set()

    def warn(self, path: str, what: str) -> None:
        """Say what is the matter with a field; ``path`` has dots between the names."""
        shown = path if _is_usual(path) else UNUSUAL
        if shown in self._warned or len(self._warned) > MOST_WARNINGS:
            return
        self._warned.add(shown)
        if len(self._warned) > MOST_WARNINGS:
            self._logger.warning("%s: more fields are like that; no more are shown", self._stream)
        else:
            self._logger.warning("%s: the field %s %s", self._stream, shown, what)


def _is_usual(path: str) -> bool:
    """Whether a path looks like names from a program."""
    return len(path) <= LONGEST_PATH and all(
        name.isascii()
        and name.isidentifier()
        and len(name) <= LONGEST_NAME
        and not _NUMBER.search(name)
        for name in path.split(".")
    )
