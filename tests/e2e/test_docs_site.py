"""The docs build without a warning, and every page can be reached."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli import BIN

ROOT = Path(__file__).parents[2]


def build(source: Path, into: Path) -> subprocess.CompletedProcess[str]:
    command = [BIN / "sphinx-build", "--quiet", "--fail-on-warning", "--keep-going", "--nitpicky"]
    return subprocess.run(
        [*command, "-c", ROOT / "docs", "-d", into / "cache", source, into / "html"],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT / "docs", folder)
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_each_page_is_on_the_site_and_in_its_menu(site: Path) -> None:
    menu = (site / "index.html").read_text()
    pages = [p.relative_to(ROOT / "docs") for p in ROOT.glob("docs/**/*.md")]
    names = [page.with_suffix(".html").as_posix() for page in pages if page.stem != "index"]
    assert len(names) > 20
    assert [name for name in names if f'href="{name}"' not in menu] == []


def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path) -> None:
    """Negative control: warnings are errors."""
    (tmp_path / "index.md").write_text("# Page\n\n[gone](gone.md)\n")
    assert "gone" in build(tmp_path, tmp_path / "out").stderr
