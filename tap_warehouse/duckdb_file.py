"""A DuckDB file as a warehouse."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from tap_warehouse.columns import ANY_JSON, AS_TEXT, Column, date_column, timestamp_column
from tap_warehouse.database import BLOCK_ROWS, Database, WarehouseError

if TYPE_CHECKING:
    from collections.abc import Iterator

_QUOTING_ONLY_SQL = (
    duckdb.CatalogException,
    duckdb.BinderException,
    duckdb.ParserException,
    duckdb.IOException,
)
"""Errors of DuckDB that quote the query or the file, but never a row."""
_NESTED = {"list": "array", "array": "array", "struct": "object", "map": "object"}
_AS_JSON = "to_json({0})::VARCHAR"
_ZONED = "timestamp with time zone"
_WHOLE = "{0}::HUGEINT"
_FINITE = "CASE WHEN isfinite({0}::DOUBLE) THEN {0}::DOUBLE END"  # JSON has no infinity
_SIZES = ("tinyint", "smallint", "integer", "bigint", "hugeint")
_INTEGERS = [f"{sign}{size}" for sign in ("", "u") for size in _SIZES]
_KINDS = {
    **dict.fromkeys(_INTEGERS, ("integer", _WHOLE)),
    **dict.fromkeys(("float", "double", "decimal"), ("number", _FINITE)),
    "boolean": ("boolean", "{0}"),
}
"""For a type of DuckDB: its type in JSON Schema, and SQL for its values."""


class DuckDbFile(Database):
    """A file that is open only while a query runs, so that a loader can write to it in between."""

    def __init__(self, path: str, *, naive_is_utc: bool) -> None:
        """Take the path, and whether a TIMESTAMP is UTC rather than local time."""
        self._path = path
        self._naive_is_utc = naive_is_utc

    def columns(self, query: str) -> list[Column]:
        """Return the columns of a query."""
        with self._connection() as connection:
            rows = connection.sql(query)
            if rows is None:
                msg = "its query returns no rows: write a SELECT in queries"
                raise WarehouseError(msg)
            names, kinds = rows.columns, rows.types
        return [self._column(name, kind) for name, kind in zip(names, kinds, strict=True)]

    def rows(self, select: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a SELECT."""
        with self._connection() as connection:
            rows = connection.execute(select)
            while block := rows.fetchmany(BLOCK_ROWS):
                yield from block

    def _column(self, name: str, kind: Any) -> Column:  # noqa: ANN401 - untyped in duckdb
        if str(kind) == "JSON":
            return Column(name, ANY_JSON, _AS_JSON, is_json=True)
        if kind.id in _NESTED:
            return Column(name, (_NESTED[kind.id],), _AS_JSON, is_json=True)
        if kind.id.startswith("timestamp"):
            return timestamp_column(name, is_utc=self._naive_is_utc or kind.id == _ZONED)
        if kind.id == "date":
            return date_column(name)
        if kind.id == "decimal" and dict(kind.children)["scale"] == 0:
            return Column(name, ("integer",), _WHOLE)
        type_of_json, sql = _KINDS.get(kind.id, ("string", AS_TEXT))
        return Column(name, (type_of_json,), sql)

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        try:
            with duckdb.connect(self._path, read_only=True) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                yield connection
        except duckdb.Error as error:
            if isinstance(error, _QUOTING_ONLY_SQL):
                # The lines below the first show the query again, with a caret.
                said = str(error).partition("\n")[0]
            else:
                said = f"{type(error).__name__}; run the query in DuckDB to see the row"
            msg = f"{said} (file {self._path}): correct filepath or queries of tap-warehouse"
            raise WarehouseError(msg) from None
