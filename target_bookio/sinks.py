"""A sink collects records until they are delivered; it decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.sinks import BatchSink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_bookio.target import TargetBookio


class BookioSink(BatchSink):
    """The records of one stream. ``plan`` checks them, so the SDK need not."""

    validate_schema = False
    MAX_SIZE_DEFAULT = 20_000  # what is sent again is known as past only within one batch

    def __init__(
        self,
        target: TargetBookio,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        """Take what the SDK passes."""
        super().__init__(target, stream_name, schema, key_properties)
        self._target = target

    def process_batch(self, context: dict[str, Any]) -> None:
        """Deliver what was collected."""
        self._target.delivery.deliver(self.stream_name, context.get("records", ()))

    def _parse_timestamps_in_record(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
        """Leave texts as they are: an offset decides what they mean."""

    def _after_process_record(self, context: dict[str, Any]) -> None:
        """Do not log the record, as the SDK does at DEBUG."""

    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        """Accept a record without the ``id`` of the schema's key: it may go by ``externalId``."""

    def _remove_sdc_metadata_from_record(self, record: dict[str, Any]) -> None:
        """Keep ``_sdc_deleted_at``, which says that a row should go."""
