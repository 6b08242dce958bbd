"""The docs' generated parts are up to date, and their links and names are valid."""

from __future__ import annotations

import json
import re
from pathlib import Path

import generate
import plugins
import pytest
import tables
import yaml

from bookio_api.contract import OPERATIONS
from bookio_api.errors import ERRORS_PAGE, ErrorKind
from bookio_api.overrides import with_overrides
from tap_bookio.settings import SETTINGS as TAP_SETTINGS
from tap_warehouse.settings import SETTINGS as WAREHOUSE_SETTINGS
from target_bookio.settings import SETTINGS as TARGET_SETTINGS

SETTINGS = {**WAREHOUSE_SETTINGS, **TAP_SETTINGS, **TARGET_SETTINGS}
ROOT = Path(__file__).parents[2]


def test_no_page_is_stale() -> None:
    assert generate.stale() == [], "run make docs"


def test_a_stale_page_is_detected() -> None:
    page = (ROOT / "docs/api.md").read_text()
    assert generate.generated(page.replace("`list_facilities`", "`list_clinics`")) == page


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_setting_is_described(name: str) -> None:
    setting = SETTINGS[name]
    assert setting["title"]
    assert setting["description"].endswith(".")


def test_only_incremental_streams_have_a_cursor() -> None:
    rows = [line.split(" | ") for line in tables.streams().splitlines()[2:]]
    cursors = {row[0].strip("| `"): row[2] for row in rows}
    none = "none, full table"
    assert cursors == {
        "facilities": none,
        "calendars": none,
        "reservations": "`lastSync`",
        "blocked_times": "`lastSync`",
    }


def test_labels_are_written_as_words() -> None:
    assert "label: Remote wins\n" in plugins.meltano_target()


def test_every_part_is_on_a_page() -> None:
    pages = "".join((ROOT / page).read_text() for page in generate.PAGES)
    assert set(re.findall(r"generated: ([\w-]+)", pages)) == set(generate.PARTS)


def test_every_link_in_the_docs_has_a_target() -> None:
    for page in [ROOT / "README.md", *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for link in re.findall(r"\]\((?!http|#)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_path_that_a_page_names_exists() -> None:
    folders = [path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "."]
    path = re.compile(rf"`((?:{'|'.join(folders)})/[\w./*-]+)`")
    named = [
        (page.name, found)
        for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
        for found in path.findall(page.read_text())
        if found.split("/")[0] not in {"output", "warehouse"}
    ]
    assert len(named) > 10
    assert [found for found in named if not list(ROOT.glob(found[1]))] == []


def sections(text: str) -> list[str]:
    """Return the anchors of a page's sections, as GitHub and our site make them."""
    return [head.lower().replace(" ", "-") for head in re.findall(r"^## (.+)$", text, re.MULTILINE)]


def test_every_kind_of_error_has_its_section() -> None:
    """An error line ends with a section that exists, and no section is there for nothing."""
    text = (ROOT / ERRORS_PAGE).read_text()
    assert sections(text) == [kind.value for kind in ErrorKind]
    renamed = text.replace("## Rate limit", "## Too many requests")
    assert set(ErrorKind) - set(sections(renamed)) == {ErrorKind.RATE_LIMIT}


def test_every_message_in_the_error_pages_is_in_the_code() -> None:
    """What they quote stands in the code, so that a reader can find a message by it."""
    sources = [
        text.read_text()
        for folder in ("bookio_api", "bookio_singer", "tap_bookio", "target_bookio")
        for text in ROOT.glob(f"{folder}/**/*.py")
    ]
    code = re.sub(r'"\s*\n\s*f?"', "", "\n".join(sources))  # a text continues on the next line
    pages = [(ROOT / page).read_text() for page in (ERRORS_PAGE, "docs/troubleshooting.md")]
    quoted = re.compile(r"^(?:\| |- )?`([^`]+)`(?:, `([^`]+)`)?(?: \||:)", re.MULTILINE)
    lines = [line for page in pages for found in quoted.findall(page) for line in found if line]
    assert len(lines) > 10
    phrases = [phrase.strip() for line in lines for phrase in line.split("…")]
    assert [phrase for phrase in phrases if phrase not in code] == []


def test_the_openapi_document_says_how_well_each_path_is_known() -> None:
    paths = json.loads((ROOT / "docs/openapi.json").read_text())["paths"]
    evidence = {
        operation["operationId"]: operation["x-evidence"]
        for path in paths.values()
        for operation in path.values()
    }
    assert evidence == {op.name: op.evidence.value for op in OPERATIONS.values()}
    listed = paths["/reservations"]["get"]["responses"]["200"]["content"]["application/json"]
    data = listed["schema"]["properties"]["result"]["properties"]["data"]["properties"]
    assert data["reservations"]["x-evidence"] == "S"
    assert data["reservations"]["items"]["properties"]["externalId"]["x-evidence"] == "G"


def test_every_override_in_the_docs_is_accepted() -> None:
    found = [
        json.loads(block)
        for page in ROOT.glob("docs/**/*.md")
        for block in re.findall(r"```json\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    assert len(found) > 1
    for settings in found:
        assert with_overrides(settings["endpoint_overrides"])


def test_the_demo_has_its_own_warehouse() -> None:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    plugins = {plugin["name"]: plugin for kind in project["plugins"].values() for plugin in kind}
    [demo] = [e for e in project["environments"] if e["name"] == "demo"]
    of_demo = {p["name"]: p["config"] for kind in demo["config"]["plugins"].values() for p in kind}
    for name in ("tap-warehouse", "target-duckdb"):
        [default] = [s["value"] for s in plugins[name]["settings"] if s["name"] == "filepath"]
        assert default == "warehouse/bookio.duckdb"
        assert of_demo[name]["filepath"] == "output/bookio.duckdb"


def test_every_installed_package_is_pinned_with_a_hash() -> None:
    for asked in ROOT.glob("requirements/*.in"):
        assert asked.with_suffix(".txt").exists(), asked
    for lock in [*ROOT.glob("requirements/*.txt"), *ROOT.glob("bench/requirements*.txt")]:
        pins = re.findall(r"^[a-z].*?(?=^[a-z]|\Z)", lock.read_text(), re.DOTALL | re.MULTILINE)
        assert pins, lock
        assert [pin for pin in pins if "--hash=sha256:" not in pin] == [], lock
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    for loader in project["plugins"]["loaders"]:
        assert loader.get("pip_url", "-r requirements/").startswith("-r requirements/")
