"""A column of a query: its JSON Schema, and SQL that converts it to JSON."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from bookio_api.contract import RESOURCES
from bookio_api.schemas import stream_schema, write_schema
from bookio_singer.nesting import MAX_LEVELS, is_deeper

_FOUR_DIGIT_YEAR = re.compile(r"\d{4}-\d\d-\d\d(T[\d:.]+Z?)?")
"""A date or timestamp as in RFC 3339. Databases also have infinity, and years BC or after 9999."""
AS_TEXT = "{0}::VARCHAR"
"""SQL that has the database convert a value to text."""
ANY_JSON = ("object", "array", "string", "number", "boolean")


class Column(NamedTuple):
    """A column, and how its values are emitted."""

    name: str
    types: tuple[str, ...]
    """Its types in JSON Schema, apart from null."""
    sql: str = AS_TEXT
    """SQL for its value, with ``{0}`` for the column."""
    is_json: bool = False
    """Whether the SQL returns JSON text, which is parsed here."""
    is_date: bool = False
    """Whether it holds dates, with or without a time."""
    is_datetime: bool = False
    """Whether it holds dates with a time and an offset."""

    @property
    def schema(self) -> dict[str, Any]:
        """The column's JSON Schema."""
        more = {"format": "date-time"} if self.is_datetime else {}
        return {"type": [*self.types, "null"], **more}

    @property
    def field(self) -> str:
        """The name of its field: Bookio's, if one is equal ignoring case, otherwise its own."""
        return _FIELDS.get(self.name.lower(), self.name)

    def value_of(self, selected: Any) -> Any:  # noqa: ANN401 - of any type
        """Return a value that the SQL selected as it is emitted.

        Raises:
            ValueError: RFC 3339 has no such date, or Python reads no number of that many digits.
            RecursionError: it is nested too deeply.
        """
        if self.is_date and not _FOUR_DIGIT_YEAR.fullmatch(selected):
            raise ValueError
        if not self.is_json:
            return selected
        value = json.loads(selected)
        if is_deeper([[value]], MAX_LEVELS + 1):
            raise RecursionError
        return value


def date_column(name: str) -> Column:
    """Return a column of dates without a time."""
    return Column(name, ("string",), is_date=True)


def timestamp_column(name: str, *, is_utc: bool) -> Column:
    """Return a column of timestamps that are UTC, or else a facility's local time, without offset.

    The session's time zone is UTC, so the cast of a timestamp with time zone gives UTC as well.
    """
    sql = "replace({0}::TIMESTAMP::VARCHAR, ' ', 'T')"
    if is_utc:
        return Column(name, ("string",), f"{sql} || 'Z'", is_date=True, is_datetime=True)
    return Column(name, ("string",), sql, is_date=True)


_FIELDS: dict[str, str] = {
    field.lower(): field
    for resource in RESOURCES.values()
    for schema in (stream_schema(resource.name), *map(write_schema, resource.bodies))
    for field in schema["properties"]
}
