"""Finds and loads ``schemas/``, the only place where fields are listed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

_PACKAGED = Path(__file__).parent / "_schemas"
_CHECKOUT = Path(__file__).parent.parent / "schemas"

JsonSchema = dict[str, Any]


def schema_directory() -> Path:
    """Return the folder of the schemas: inside an installed wheel, or at a checkout's top."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


@cache
def stream_schema(stream: str) -> JsonSchema:
    """Return the JSON Schema of a stream's records. Shared: do not change it."""
    return _load(f"{stream}.json")


@cache
def write_schema(body: str) -> JsonSchema:
    """Return the JSON Schema of a request body, named as in ``Operation.body``."""
    return _load(f"write/{body}.json")


def _load(name: str) -> JsonSchema:
    schema: JsonSchema = msgspec.json.decode((schema_directory() / name).read_bytes())
    return schema
