"""A PostgreSQL database as a warehouse."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from bookio_api.errors import SettingsError
from bookio_singer.redaction import conceal
from tap_warehouse.columns import ANY_JSON, AS_TEXT, Column, date_column, timestamp_column
from tap_warehouse.database import BLOCK_ROWS, Database, WarehouseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.types import TypesRegistry

_QUOTING_ONLY_SQL = frozenset({"08", "25", "28", "3D", "3F", "40", "42", "53", "57"})
"""Classes of SQLSTATE whose texts quote the query, a role or a table, but never a row."""
_SESSION = b"SET TimeZone = 'UTC'; SET DateStyle = 'ISO'"
_AS_JSON = "to_json({0})::VARCHAR"
# PostgreSQL's text of a number is JSON with every digit, except for these three.
_NUMBER = "CASE WHEN {0}::VARCHAR NOT IN ('NaN', 'Infinity', '-Infinity') THEN {0}::VARCHAR END"

_TEXT = (("string",), AS_TEXT, False)
_KINDS: dict[str, tuple[tuple[str, ...], str, bool]] = {
    **dict.fromkeys(("int2", "int4", "int8", "oid"), (("integer",), "{0}", False)),
    **dict.fromkeys(("float4", "float8", "numeric"), (("number",), _NUMBER, True)),
    **dict.fromkeys(("json", "jsonb"), (ANY_JSON, _AS_JSON, True)),
    "bool": (("boolean",), "{0}", False),
}
"""For a type of PostgreSQL: its types in JSON Schema, SQL for its values, and whether that returns
JSON text."""


class Postgres(Database):
    """A database, with a read-only connection that is open only while a query runs."""

    def __init__(self, url: str, *, naive_is_utc: bool) -> None:
        """Take the address, and whether a ``timestamp`` is UTC rather than local time.

        Raises:
            SettingsError: the address is not valid.
        """
        parts = _parts_of(url)
        conceal(parts.get("password", ""))
        self._url = url
        self._place = f"database {parts['dbname']}" if "dbname" in parts else "PostgreSQL"
        self._naive_is_utc = naive_is_utc

    def columns(self, query: str) -> list[Column]:
        """Return the columns of a query."""
        if not query.strip():
            msg = "its query is empty: write a SELECT in queries"
            raise WarehouseError(msg)
        with self._connection() as connection:
            # The line break ends a comment at the end of the query.
            described = connection.execute(f"SELECT * FROM ({query}\n) AS q LIMIT 0".encode())
            types = connection.adapters.types
            return [self._column(column, types) for column in described.description or ()]

    def rows(self, select: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a SELECT; a named cursor keeps all others on the server."""
        with self._connection() as connection, connection.cursor("tap_warehouse") as rows:
            rows.itersize = BLOCK_ROWS
            rows.execute(select.encode())
            yield from rows

    def _column(self, column: psycopg.Column, types: TypesRegistry) -> Column:
        name, kind = column.name, types.get(column.type_code)
        if kind is None:  # an enum, a composite type or one of an extension
            return Column(name, ANY_JSON, _AS_JSON, is_json=True)
        if column.type_code == kind.array_oid:
            return Column(name, ("array",), _AS_JSON, is_json=True)
        if kind.name in {"timestamp", "timestamptz"}:
            is_utc = self._naive_is_utc or kind.name == "timestamptz"
            return timestamp_column(name, is_utc=is_utc)
        if kind.name == "date":
            return date_column(name)
        if kind.name == "numeric" and column.scale == 0:
            return Column(name, ("integer",), _NUMBER, is_json=True)
        types_of_json, sql, is_json = _KINDS.get(kind.name, _TEXT)
        return Column(name, types_of_json, sql, is_json=is_json)

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        try:
            with psycopg.connect(
                self._url, client_encoding="utf8", fallback_application_name="tap-warehouse"
            ) as connection:
                connection.read_only = True
                connection.execute(_SESSION)
                yield connection
        except psycopg.Error as error:
            msg = f"{_reason(error)} ({self._place}): correct database_url or queries of "
            raise WarehouseError(f"{msg}tap-warehouse") from None


def _parts_of(url: str) -> dict[str, str]:
    """Return the parts of an address by libpq's names. Raises ``SettingsError``.

    If a password has a ``/`` or ``@`` that is not encoded, libpq takes a piece of it for the port,
    the host or the database, which error messages quote. Such an address is refused here, because
    libpq's own error would quote all of it.
    """
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(url).items() if value}
    except psycopg.Error:
        parts = {"port": "none"}
    in_place = re.fullmatch(r"[\d,]*", parts.get("port", ""))
    if in_place and "@" not in parts.get("host", "") + parts.get("dbname", ""):
        return parts
    msg = (
        "database_url is not valid; write it like postgresql://host:5432/database?user=name, and "
        "special characters of a password percent-encoded"
    )
    raise SettingsError(msg)


def _reason(error: psycopg.Error) -> str:
    """Return what an error says, unless the server may quote a row."""
    if error.sqlstate is not None and error.sqlstate[:2] in _QUOTING_ONLY_SQL:
        return error.diag.message_primary or type(error).__name__
    if error.sqlstate is None and isinstance(error, psycopg.OperationalError):
        return str(error).partition("\n")[0]  # libpq's own, with server, port and user
    return f"{type(error).__name__}; run the query in PostgreSQL to see the row"
