"""Asks for confirmation before something that cannot be undone."""

from __future__ import annotations

import sys

import click

from bookio_api.errors import SettingsError


def require_yes(question: str, *, what_needs_it: str, refused: str) -> None:
    """Return only if the user types yes; otherwise raise ``SettingsError``."""
    if not sys.stdin.isatty():
        msg = f"{what_needs_it} needs --yes if there is no terminal"
        raise SettingsError(msg)
    if click.prompt(question, default="no", err=True).strip().lower() != "yes":
        raise SettingsError(refused)
