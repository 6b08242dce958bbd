"""A column of a query: its JSON Schema, and SQL that converts it to JSON."""

from __future__ import annotations

from typing import Any, NamedTuple

from bookio_api.contract import RESOURCES
from bookio_api.schemas import stream_schema, write_schema

AS_TEXT = "{0}::VARCHAR"
"""SQL for a value that the database converts to text."""
ANY_JSON = ("object", "array", "string", "number", "boolean")


class Column(NamedTuple):
    """How a column is emitted."""

    name: str
    types: tuple[str, ...]
    """Of JSON Schema, without null."""
    sql: str = AS_TEXT
    """Has ``{0}`` for the column."""
    is_json: bool = False
    """Whether the SQL returns JSON text, which is parsed here."""
    is_datetime: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        """The column's JSON Schema."""
        more = {"format": "date-time"} if self.is_datetime else {}
        return {"type": [*self.types, "null"], **more}

    @property
    def field(self) -> str:
        """Bookio's name of a field that matches the column's, ignoring case, or the column's."""
        return _FIELDS.get(self.name.lower(), self.name)


def timestamp_column(name: str, *, is_utc: bool) -> Column:
    """Return a column of moments (``is_utc``), or of wall times, which get no offset.

    The time zone of the connection is UTC.
    """
    sql = "replace({0}::TIMESTAMP::VARCHAR, ' ', 'T')"
    return Column(name, ("string",), f"{sql} || 'Z'" if is_utc else sql, is_datetime=is_utc)


_FIELDS: dict[str, str] = {
    field.lower(): field
    for resource in RESOURCES.values()
    for schema in (stream_schema(resource.name), *map(write_schema, resource.bodies))
    for field in schema["properties"]
}
