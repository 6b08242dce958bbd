"""What all streams share: schema files, keys, and rows that fit their schema."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import SchemaDirectory, Stream, StreamSchema, Tap
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib.catalog import Metadata

from bookio_api.contract import RESOURCES
from bookio_api.responses import whole_number
from bookio_api.schemas import schema_directory, stream_schema
from tap_bookio.catalog import deselected_in_lists, fields_in_lists, record_without
from tap_bookio.output.whole_pages import WholePages
from tap_bookio.records.compiler import record_builder
from tap_bookio.records.field_rules import Policy
from tap_bookio.records.field_warnings import FieldWarnings
from tap_bookio.records.privacy import PersonalData, pseudonyms_from, published
from tap_bookio.stored_personal_data import note_mode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_sdk.singerlib import MetadataMapping

    from bookio_api.contract import Resource
    from bookio_api.facilities import Facility
    from bookio_api.scan.pages import Page
    from tap_bookio.records.record_builder import RecordBuilder
    from tap_bookio.run import Run

Row = dict[str, Any]

SCHEMAS = SchemaDirectory(schema_directory())


class PublishedSchema(StreamSchema[str]):
    """A schema file, without the fields that ``personal_data`` omits."""

    def get_stream_schema(self, stream: Stream, stream_class: type[Stream]) -> dict[str, Any]:
        """Read it for a stream of this run."""
        schema = super().get_stream_schema(stream, stream_class)
        return published(schema, stream.config["personal_data"])


class BookioStream(WholePages):
    """One list of Bookio."""

    primary_keys: ClassVar[tuple[str, ...]] = ("id",)
    schema = PublishedSchema(SCHEMAS)
    TYPE_CONFORMANCE_LEVEL = (
        TypeConformanceLevel.NONE
    )  # records/ converts types, and keeps all fields

    def __init__(self, tap: Tap, run: Run) -> None:
        """Make a stream of this tap, for one sync."""
        super().__init__(tap)
        self.run = run

    @property
    def resource(self) -> Resource:
        """What Bookio lists under this stream's name."""
        return RESOURCES[self.name]

    @property
    def metadata(self) -> MetadataMapping:
        """Make fields inside lists selectable, too; the SDK does so only inside objects."""
        metadata = super().metadata
        for crumb in fields_in_lists(self.schema):
            metadata.setdefault(crumb, Metadata(inclusion=Metadata.InclusionType.AVAILABLE))
        return metadata

    # Created at the first record, when the SDK has applied the user's catalog.

    @cached_property
    def record_builder(self) -> RecordBuilder:
        """The builder of this stream's records."""
        policy = Policy(
            PersonalData(self.config["personal_data"]),
            pseudonyms_from(self.config),
            FieldWarnings(self.name, self.logger),
        )
        return record_builder(self.effective_schema, stream_schema(self.name), policy)

    @cached_property
    def _deselected_in_lists(self) -> list[tuple[str, ...]]:
        return deselected_in_lists(self.schema, self.mask)

    def before_records(self) -> None:
        """Warn of personal data in the warehouse from earlier, less strict runs."""
        own = stream_schema(self.name)
        if published(own, PersonalData.OMIT) != own:
            mode = PersonalData(self.config["personal_data"])
            if warning := note_mode(self.stream_state, self.name, mode):
                self.logger.warning(warning)

    def fetch(self, query: Mapping[str, Any]) -> Page:
        """Send one list request."""
        return self.run.client.list_page(self.resource.list_operation, query)

    def records(self, rows: list[Row], facility: Facility) -> list[Row]:
        """Return the records to emit for a facility's rows; each has its ``facilityId``."""
        if facility.id is None or "facilityId" not in self.schema["properties"]:
            return self._records(rows, facility)
        rows = [row if "facilityId" in row else {**row, "facilityId": facility.id} for row in rows]
        if all(row["facilityId"] == facility.id for row in rows):
            return self._records(rows, facility)
        return self._records_of_several(rows, facility)

    def _records_of_several(self, rows: list[Row], asked: Facility) -> list[Row]:
        """Return the records of rows though not all are of the facility that was asked for.

        Whether every list applies ``facilityId`` is unknown (U).
        """
        by_owner: defaultdict[int | None, list[Row]] = defaultdict(list)
        for row in rows:
            by_owner[whole_number(row["facilityId"])].append(row)
        if len(by_owner) > 1 or asked.id not in by_owner:
            self.run.warn_of_other_facilities(self.name)
        records = []
        for owner, own_rows in by_owner.items():
            # 1. A row keeps the time zone of its own facility. 2. One that facility_ids leaves out
            # is not emitted. 3. One that is not listed at all is taken for one that was asked for.
            if not self.run.facilities.leaves_out(owner):
                records += self._records(own_rows, self.run.facilities.get(owner, asked))
        return records

    def _records(self, rows: list[Row], facility: Facility) -> list[Row]:
        records = self.record_builder.records(rows, facility.clock)
        if self._deselected_in_lists:
            return [record_without(record, self._deselected_in_lists) for record in records]
        return records
