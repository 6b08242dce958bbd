"""Corrects methods and paths from configuration, because most are not confirmed."""

from __future__ import annotations

import re
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from bookio_api.contract import METHODS, OPERATIONS
from bookio_api.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookio_api.contract import Operation


def with_overrides(overrides: Mapping[str, str] | None) -> Mapping[str, Operation]:
    """Return the operations, corrected by ``endpoint_overrides``: ``{name: "METHOD /path"}``.

    Raises ``SettingsError`` for an invalid name, method or path.
    """
    corrected = dict(OPERATIONS)
    for name, value in (overrides or {}).items():
        corrected[name] = _override(name, value)
    return MappingProxyType(corrected)


def _override(name: str, value: object) -> Operation:
    operation = OPERATIONS.get(name)
    if operation is None:
        msg = (
            f"endpoint_overrides names an unknown operation, {name!r}; "
            f"use one of: {', '.join(OPERATIONS)}"
        )
        raise SettingsError(msg)
    method, _, path = str(value).strip().partition(" ")
    method, path = method.upper(), path.strip()
    spare = re.sub(r"{\w+}", "", path)
    if method not in METHODS or not re.fullmatch(r"/[^\s?#{}]*", spare):
        msg = (
            f"endpoint_overrides[{name!r}] is not a method and a path; "
            f'write "METHOD /path", for instance "{operation.method} {operation.path}"'
        )
        raise SettingsError(msg)
    if operation.retry_safe and method not in {"GET", "POST"}:
        msg = f"endpoint_overrides[{name!r}] is a read; write GET or POST"
        raise SettingsError(msg)
    if not operation.retry_safe and method == "GET":
        msg = f"endpoint_overrides[{name!r}] is a write, so it cannot be GET; write another method"
        raise SettingsError(msg)
    corrected = replace(operation, method=method, path=path)
    if corrected.path_parameters != operation.path_parameters:
        needed = ", ".join(f"{{{p}}}" for p in sorted(operation.path_parameters)) or "no parameter"
        msg = f"endpoint_overrides[{name!r}]: its path must contain {needed}"
        raise SettingsError(msg)
    return corrected
