"""The docs' tables are what the code says, and the code says enough to make them."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from tap_bookio.settings import SETTINGS as TAP_SETTINGS
from target_bookio.settings import SETTINGS as TARGET_SETTINGS

SETTINGS = {**TAP_SETTINGS, **TARGET_SETTINGS}
ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
generate = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(generate)


def test_no_page_is_stale() -> None:
    assert generate.stale() == [], "run make docs"


def test_a_stale_page_would_be_seen() -> None:
    page = (ROOT / "docs/api.md").read_text()
    assert generate.generated(page.replace("`list_facilities`", "`list_clinics`")) == page


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_setting_says_what_it_is(name: str) -> None:
    setting = SETTINGS[name]
    assert setting["title"]
    assert setting["description"].endswith(".")


def test_every_part_is_on_a_page() -> None:
    pages = "".join((ROOT / page).read_text() for page in generate.PAGES)
    assert set(re.findall(r"generated: ([\w-]+)", pages)) == set(generate.PARTS)


def test_every_link_of_the_pages_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for link in re.findall(r"\]\((?!http|#)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
