"""Which field names may be shown: those that look like identifiers."""

from __future__ import annotations

import re

MAX_NAME = 40


def safe_name(name: str) -> str:
    """Return a field's name if it looks like an identifier, otherwise nothing."""
    usual = name.isidentifier() and name.isascii() and len(name) <= MAX_NAME
    return name if usual and not re.search(r"\d{5}", name) else ""
