"""Record builders, as in the tap's streams."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from bookio_api.localtime import OffsetClock, zone
from bookio_api.schemas import stream_schema
from tap_bookio.records.compiler import record_builder
from tap_bookio.records.field_rules import Policy
from tap_bookio.records.field_warnings import FieldWarnings
from tap_bookio.records.privacy import PersonalData, pseudonyms_from

if TYPE_CHECKING:
    from tap_bookio.records.record_builder import RecordBuilder

KEY = "0123456789abcdef" * 4
BRATISLAVA = "Europe/Bratislava"


def builder_of(
    stream: str, mode: str = "keep", *, emitted: dict[str, Any] | None = None
) -> RecordBuilder:
    """Return the builder of a stream; ``emitted`` is the schema of a catalog."""
    settings = {"personal_data": mode, "personal_data_key": KEY}
    warnings = FieldWarnings(stream, logging.getLogger("records"))
    policy = Policy(PersonalData(mode), pseudonyms_from(settings), warnings)
    own = stream_schema(stream)
    return record_builder(own if emitted is None else emitted, own, policy)


def record_of(
    row: dict[str, Any],
    stream: str = "reservations",
    mode: str = "keep",
    *,
    emitted: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the record of one row of a facility in Bratislava."""
    builder = builder_of(stream, mode, emitted=emitted)
    [record] = builder.records([row], OffsetClock(zone(BRATISLAVA)))
    return record
