"""How sphinx builds the site, from plain Markdown that GitHub renders as well."""

from __future__ import annotations

import re
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING

from pygments.lexers.special import TextLexer

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "tap-bookio and target-bookio"
version = release = version_of("singer-bookio")
extensions = ["myst_parser"]
exclude_patterns = ["hub"]
html_theme = "furo"
html_title = f"{project} {version}"
html_copy_source = False
html_show_copyright = False
myst_heading_anchors = 3

_LINK = re.compile(r"\[(?P<text>[^\]\n]+)\]\((?P<target>\.\./[^)\s]+)\)")


def setup(app: Sphinx) -> None:
    """Prepare the pages for their own site.

    Mermaid is taken for plain text: GitHub draws it, and its source reads well enough.
    """
    app.add_lexer("mermaid", TextLexer)
    app.connect("source-read", _name_what_is_not_on_the_site)


def _name_what_is_not_on_the_site(app: Sphinx, page: str, source: list[str]) -> None:
    """Turn links to files outside of ``docs/``, which GitHub can follow, into their paths."""
    folder, docs = (Path(app.srcdir) / page).parent, Path(app.srcdir)

    def named(link: re.Match[str]) -> str:
        path = (folder / link["target"].partition("#")[0]).resolve()
        if path.is_relative_to(docs) or not path.exists():
            return link[0]
        return f"{link['text']} (`{path.relative_to(docs.parent)}`)"

    source[0] = _LINK.sub(named, source[0])
