"""Finds private modules and names of singer-sdk in source code, by its syntax tree."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import singer_sdk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SDK = Path(singer_sdk.__file__).parent
FROM_SDK = ("singer_sdk", "bookio_singer.sdk")


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@cache
def private_names_of_the_sdk() -> set[str]:
    """Return the private methods and attributes of all its classes."""
    nodes = [node for path in SDK.rglob("*.py") for node in classes_of(ast.parse(path.read_text()))]
    names = {name for node in nodes for name, _ in defined(node)}
    stored = (
        node.attr
        for owner in nodes
        for node in ast.walk(owner)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    )
    return {name for name in names.union(stored) if is_private(name)}


def classes_of(tree: ast.Module) -> list[ast.ClassDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]


def defined(owner: ast.ClassDef) -> Iterator[tuple[str, int]]:
    """Yield the names of the methods and of the attributes in the body of a class."""
    for node in owner.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        yield from ((name.id, node.lineno) for name in targets if isinstance(name, ast.Name))


def private_uses(sources: dict[str, str]) -> list[str]:
    """Return ``file:line: name`` for each private module or name of the SDK in our modules."""
    trees = {where: ast.parse(source) for where, source in sources.items()}
    private, derived = private_names_of_the_sdk(), derived_from_the_sdk(trees.values())
    found = [
        f"{where}:{line}: {name}"
        for where, tree in trees.items()
        for name, line in (*private_imports(tree), *private_attributes(tree, private, derived))
    ]
    return sorted(set(found))


def private_imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "singer_sdk" and any(map(is_private, name.split("."))):
                yield name, node.lineno


def derived_from_the_sdk(trees: Iterable[ast.Module]) -> set[str]:
    """Return the names of our classes that have a base of the SDK, however far up."""
    bases: dict[str, set[str]] = {}
    derived: set[str] = set()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith(FROM_SDK):
                derived |= {alias.asname or alias.name for alias in node.names}
            if isinstance(node, ast.ClassDef):
                names = {ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases}
                bases[node.name] = bases.get(node.name, set()) | names
    while more := {name for name, of in bases.items() if of & derived} - derived:
        derived |= more
    return derived


def private_attributes(
    tree: ast.Module, private: set[str], derived: set[str]
) -> Iterator[tuple[str, int]]:
    """Yield private names of the SDK that a class derived from it uses, or that any object does.

    Our other classes may well have an attribute of the same name: they use it as ``self._name``.
    """
    for owner in classes_of(tree):
        if owner.name in derived:
            yield from ((name, line) for name, line in defined(owner) if name in private)
            for node in ast.walk(owner):
                if isinstance(node, ast.Attribute) and node.attr in private:
                    yield node.attr, node.lineno
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in private:
            of_self = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
            if not of_self:
                yield node.attr, node.lineno
