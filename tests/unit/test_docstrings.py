"""Tests of guarantees state what they guarantee, in one line."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
OF_GUARANTEES = sorted(
    path
    for pattern in ("property/*.py", "faults/*.py", "model/*.py", "unit/test_scan*.py")
    for path in TESTS.glob(pattern)
)


def without_a_line(source: str) -> list[str]:
    """Return the tests that have no docstring, or one of several lines."""
    tests = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    lines = {test.name: (ast.get_docstring(test) or "").splitlines() for test in tests}
    return [name for name, docstring in lines.items() if len(docstring) != 1]


@pytest.mark.parametrize("path", OF_GUARANTEES, ids=lambda path: path.name)
def test_each_test_of_a_guarantee_states_it(path: Path) -> None:
    assert without_a_line(path.read_text(encoding="utf-8")) == []


def test_a_missing_or_long_docstring_is_detected() -> None:
    two_lines = 'def test_c():\n    """Two\n    lines."""\n'
    source = 'def test_a():\n    """One line."""\ndef test_b(): ...\n' + two_lines
    assert without_a_line(source) == ["test_b", "test_c"]
