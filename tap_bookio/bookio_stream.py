"""What all streams share: schema files, keys, and rows that fit their schema."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import SchemaDirectory, Stream, StreamSchema, Tap
from singer_sdk.helpers.conform import TypeConformanceLevel

from bookio_api.schemas import schema_directory, stream_schema
from tap_bookio.output.whole_pages import WholePages
from tap_bookio.records.compiler import record_builder
from tap_bookio.records.field_rules import Policy
from tap_bookio.records.field_warnings import FieldWarnings
from tap_bookio.records.privacy import PersonalData, pseudonyms_from, published

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookio_api.facilities import Facility
    from bookio_api.scan.pages import Page
    from tap_bookio.records.record_builder import RecordBuilder
    from tap_bookio.run import Run

Row = dict[str, Any]

SCHEMAS = SchemaDirectory(schema_directory())


class PublishedSchema(StreamSchema[str]):
    """A schema file, less the fields that ``personal_data`` omits."""

    def get_stream_schema(self, stream: Stream, stream_class: type[Stream]) -> dict[str, Any]:
        """Read it for a stream of this run."""
        schema = super().get_stream_schema(stream, stream_class)
        return published(schema, stream.config["personal_data"])


class BookioStream(WholePages):
    """One list of Bookio."""

    primary_keys: ClassVar[tuple[str, ...]] = ("id",)
    schema = PublishedSchema(SCHEMAS)
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # records/ does it, and keeps all fields
    operation: ClassVar[str]

    def __init__(self, tap: Tap, run: Run) -> None:
        """Make a stream of this tap, for one sync."""
        super().__init__(tap)
        self.run = run

    @cached_property
    def record_builder(self) -> RecordBuilder:
        """What makes records of this stream's rows; the catalog is known by now."""
        policy = Policy(
            PersonalData(self.config["personal_data"]),
            pseudonyms_from(self.config),
            FieldWarnings(self.name, self.logger),
        )
        return record_builder(self.effective_schema, stream_schema(self.name), policy)

    def fetch(self, query: Mapping[str, Any]) -> Page:
        """Ask Bookio once."""
        return self.run.client.list_page(self.operation, query)

    def records(self, rows: list[Row], facility: Facility) -> list[Row]:
        """Return the records to emit for rows of a facility; each names that facility."""
        records = self.record_builder.records(rows, facility.clock)
        if facility.id is not None:
            for record in records:
                record.setdefault("facilityId", facility.id)
        return records
