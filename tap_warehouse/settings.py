"""The settings of tap-warehouse, as JSON Schema properties."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bookio_singer.settings import Settings

SETTINGS: Settings = {
    "filepath": {
        "type": ["string", "null"],
        "title": "File",
        "description": "DuckDB file to read, the one that target-duckdb loads into.",
    },
    "database_url": {
        "type": ["string", "null"],
        "title": "Database",
        "description": (
            "PostgreSQL database to read instead of a DuckDB file: "
            "postgresql://user@host:5432/database. The password may be part of it, or in "
            "PGPASSWORD or a .pgpass file, as for any PostgreSQL client."
        ),
        "secret": True,
        "writeOnly": True,
    },
    "queries": {
        "type": "object",
        "title": "Queries",
        "description": "A SELECT statement for each stream, by stream name.",
        "additionalProperties": {"type": "string"},
    },
    "facility_ids": {
        "type": ["array", "null"],
        "items": {"type": "integer"},
        "title": "Facilities",
        "description": (
            "Ids of the facilities whose rows are emitted; an empty list is refused. Each query "
            "must then return facilityId; rows without one are left out with a warning. By "
            "default, all rows are emitted."
        ),
    },
    "naive_timestamps": {
        "type": "string",
        "title": "Naive timestamps",
        "description": (
            "Whether a TIMESTAMP without time zone is UTC, as loaders write it, or the facility's "
            "local time."
        ),
        "default": "utc",
        "enum": ["utc", "facility"],
    },
    "expected_columns": {
        "type": ["object", "null"],
        "title": "Expected columns",
        "description": (
            "Columns with the term and status that the warehouse last read from Bookio, by "
            'field: {"dateFrom": "loaded_from", "dateTo": "loaded_to", "status": "loaded_status"}. '
            "They are emitted as _bookio_expected. Where Bookio has changed since, target-bookio "
            "reports a conflict, so a stale warehouse reverts nothing. Queries that return none of "
            "these columns are emitted unchanged."
        ),
        "additionalProperties": {"type": "string"},
    },
}
