"""The reader of each field of a record, from the schemas of the request bodies."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from bookio_api.contract import BLOCKED_TIMES, CALENDARS, RESERVATIONS
from target_bookio.field_names import writable_fields
from target_bookio.field_values import Reader, read_datetime, reader_for

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def field_readers(stream: str) -> Mapping[str, Reader]:
    """Return the reader of every field that some operation on the stream takes."""
    return {name: reader_for(schema) for name, schema in writable_fields(stream).items()}


DATETIMES = {
    stream: frozenset(
        name for name, reader in field_readers(stream).items() if reader is read_datetime
    )
    for stream in (RESERVATIONS, BLOCKED_TIMES, CALENDARS)
}
"""The fields of each stream that are datetimes."""
