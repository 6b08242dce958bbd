"""Generates parts of the docs from the code: tables between marks, and whole files.

Fields come from ``schemas/``, operations from ``contract.py``, codes from ``errors.py`` and
settings from the plugins. ``--check`` writes nothing and only reports stale pages.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import plugins
import tables

from bookio_api.contract import PRODUCTION_URL
from bookio_sandbox.api.openapi import openapi

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
PAGES = ("docs/settings.md", "docs/streams.md", "docs/api.md", "docs/privacy.md", "meltano.yml")
MARKED = re.compile(
    r"(?P<start>^[ ]*(?:<!--|#) generated: (?P<name>[\w-]+)(?: -->)?\n).*?"
    r"(?P<end>^[ ]*(?:<!--|#) /generated)",
    re.DOTALL | re.MULTILINE,
)


def openapi_json() -> str:
    """Return the sandbox's description of the API, with Bookio's own address."""
    described = openapi() | {"servers": [{"url": PRODUCTION_URL}]}
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"


PARTS: dict[str, Callable[[], str]] = {
    "settings": tables.tap_settings,
    "streams": tables.streams,
    "entities": tables.entities,
    "fields": tables.fields,
    "personal": tables.personal,
    "operations": tables.operations,
    "errors": tables.errors,
    "exceptions": tables.exceptions,
    "tap-bookio": plugins.meltano_tap,
    "target-settings": tables.target_settings,
    "warehouse-settings": tables.warehouse_settings,
    "tap-warehouse": plugins.meltano_warehouse,
    "target-bookio": plugins.meltano_target,
}
FILES: dict[str, Callable[[], str]] = {
    "docs/openapi.json": openapi_json,
    "docs/hub/tap-bookio.yml": plugins.hub_tap,
    "docs/hub/tap-warehouse.yml": plugins.hub_warehouse,
    "docs/hub/target-bookio.yml": plugins.hub_target,
}
"""Files that are generated entirely."""


def generated(text: str) -> str:
    """Return a page with all of its generated parts replaced."""
    return MARKED.sub(lambda m: m["start"] + PARTS[m["name"]]() + m["end"], text)


def current() -> dict[str, str]:
    """Return the content that each generated page and file should have."""
    return {page: generated((ROOT / page).read_text()) for page in PAGES} | {
        name: make() for name, make in FILES.items()
    }


def stale() -> list[str]:
    """Return the pages and files that differ from what would be generated now."""
    return [
        name
        for name, text in current().items()
        if not (ROOT / name).exists() or (ROOT / name).read_text() != text
    ]


def main() -> None:
    """Write what is stale, or with ``--check`` fail if anything is."""
    if "--check" in sys.argv:
        sys.exit(f"stale: {', '.join(names)}; run make docs" if (names := stale()) else 0)
    for name, text in current().items():
        path = ROOT / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
