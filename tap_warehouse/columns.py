"""A column of DuckDB: its JSON Schema, and the SQL that makes of it what JSON can hold."""

from __future__ import annotations

from typing import Any, NamedTuple

from bookio_api.contract import RESOURCES
from bookio_api.schemas import stream_schema, write_schema

AS_JSON = "to_json({0})::VARCHAR"
"""SQL for a nested value: DuckDB writes it as JSON text, which is parsed here."""

_INTEGERS = frozenset(
    f"{sign}{size}"
    for sign in ("", "u")
    for size in ("tinyint", "smallint", "integer", "bigint", "hugeint")
)
_NESTED = {"list": "array", "array": "array", "struct": "object", "map": "object"}
_ANY_JSON = ["object", "array", "string", "number", "boolean"]
_ZONED = "timestamp with time zone"


class Column(NamedTuple):
    """How a column is emitted."""

    schema: dict[str, Any]
    sql: str
    """Has ``{0}`` for the column."""

    @property
    def is_json(self) -> bool:
        """Whether the SQL returns JSON text."""
        return self.sql == AS_JSON


def column_of(kind: Any, *, naive_is_utc: bool) -> Column:  # noqa: ANN401 - untyped in duckdb
    """Return how a column of a DuckDB type is emitted.

    ``naive_is_utc`` says that a TIMESTAMP holds UTC; else it is wall time and gets no offset.
    """
    types, sql, more = ["string"], "{0}::VARCHAR", {}
    if str(kind) == "JSON":
        types, sql = _ANY_JSON, AS_JSON
    elif kind.id in _NESTED:
        types, sql = [_NESTED[kind.id]], AS_JSON
    elif kind.id in _INTEGERS or (kind.id == "decimal" and dict(kind.children)["scale"] == 0):
        types, sql = ["integer"], "{0}::HUGEINT"
    elif kind.id == "boolean":
        types, sql = ["boolean"], "{0}"
    elif kind.id in {"float", "double", "decimal"}:  # JSON has no infinity
        types, sql = ["number"], "CASE WHEN isfinite({0}::DOUBLE) THEN {0}::DOUBLE END"
    elif kind.id.startswith("timestamp"):
        sql = "replace({0}::TIMESTAMP::VARCHAR, ' ', 'T')"
        if naive_is_utc or kind.id == _ZONED:  # the session's zone is UTC
            sql, more = f"{sql} || 'Z'", {"format": "date-time"}
    return Column({"type": [*types, "null"], **more}, sql)


def field_named(column: str) -> str:
    """Return Bookio's own name of a column that equals it but for case, else the column's."""
    return _FIELDS.get(column.lower(), column)


_FIELDS: dict[str, str] = {
    field.lower(): field
    for resource in RESOURCES.values()
    for schema in (stream_schema(resource.name), *map(write_schema, resource.bodies))
    for field in schema["properties"]
}
