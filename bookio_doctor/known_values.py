"""The values in rows that a schema describes, and what the tap does with each."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_singer.coercions import COERCIONS, JSON_TYPES, MAX_INT64, MIN_INT64

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bookio_api.schemas import JsonSchema


class Effect(StrEnum):
    """What the tap does with a value."""

    KEPT = "kept"
    CONVERTED = "converted"
    AS_JSON = "stored as JSON text"
    EMPTIED = "left empty"


class KnownValue(NamedTuple):
    """A value other than null, and its place in the schema."""

    path: str
    """Names of the fields that lead to it, joined by dots."""
    value: Any
    schema: JsonSchema

    @property
    def is_datetime(self) -> bool:
        """Whether it should be a datetime."""
        return self.schema.get("format") == "date-time"

    @property
    def kind(self) -> str:
        """Its JSON type."""
        return JSON_TYPES[type(self.value)]

    @property
    def effect(self) -> Effect:
        """What the tap does with it, by its type."""
        kinds = self.schema["type"]
        if self._is_expected(kinds):
            return Effect.KEPT
        if self.kind in {"array", "object"}:
            return Effect.AS_JSON if "string" in kinds else Effect.EMPTIED
        coercions = [COERCIONS[kind] for kind in COERCIONS if kind in kinds]
        is_lossless = any(coerce(self.value) is not None for coerce in coercions)
        return Effect.CONVERTED if is_lossless else Effect.EMPTIED

    def _is_expected(self, kinds: list[str] | str) -> bool:
        if type(self.value) is int and not MIN_INT64 <= self.value <= MAX_INT64:
            return False
        is_whole_number = self.kind == "integer" and "number" in kinds
        return is_whole_number or self.kind in kinds or self.kind == self.schema.get("x-sent-as")


def known_values(
    rows: Iterable[dict[str, Any]], schema: JsonSchema, path: str = ""
) -> Iterator[KnownValue]:
    """Yield the values of the fields that a schema lists, at any depth."""
    for row in rows:
        for name, facts in schema["properties"].items():
            if row.get(name) is not None:
                yield from _values(path + name, row[name], facts)


def _values(path: str, value: Any, schema: JsonSchema) -> Iterator[KnownValue]:  # noqa: ANN401
    if isinstance(value, dict) and "properties" in schema:
        yield from known_values([value], schema, f"{path}.")
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            if item is not None:
                yield from _values(path, item, schema["items"])
    else:
        yield KnownValue(path, value, schema)
