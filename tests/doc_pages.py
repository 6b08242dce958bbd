"""The code blocks of the docs, as the tests read them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_BLOCK = re.compile(
    r"^(?P<run> *<!-- run -->\n)?(?P<indent> *)```(?P<kind>\w+)\n(?P<body>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
_SETUP = 'make setup && export PATH="$PWD/.venv/bin:$PATH"'
_LEFT_OUT = re.compile(r"\bmeltano |python3 -m venv|\.venv-|…")
_SEPARATORS = {"|", "||", "&&", "&", ";"}


class Block(NamedTuple):
    """One fenced block; ``run`` is set if the page marks it to be run."""

    page: str
    kind: str
    body: str
    run: bool


def blocks(kind: str) -> Iterator[Block]:
    """Yield the blocks of one kind, page by page."""
    for page in PAGES:
        for match in _BLOCK.finditer(page.read_text()):
            if match["kind"] == kind:
                name = str(page.relative_to(ROOT))
                yield Block(name, kind, dedent(match["body"]), bool(match["run"]))


def script(block: Block) -> str:
    """Return a console block as a script: without prompts, here-documents as they are.

    Lines that make or fill an environment, or call Meltano, which lives in another, are
    left out; so is the reader's token.
    """
    typed = block.body.replace(_SETUP, "")
    lines = [line for line in typed.splitlines(keepends=True) if not _LEFT_OUT.search(line)]
    return "".join(line.removeprefix("$ ") for line in lines)


def commands(block: Block) -> Iterator[list[str]]:
    """Yield each simple command of a console block as its words, without variables and files."""
    for line in block.body.splitlines():
        if not line.startswith("$ "):
            continue
        lexer = shlex.shlex(line[2:], posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word not in _SEPARATORS:
                words.append(word)
                continue
            while words and re.match(r"\w+=", words[0]):
                del words[0]
            if words:
                yield words
            words = []
