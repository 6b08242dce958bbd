"""A sink collects records until they are delivered; it decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bookio_singer.sdk import SingerSink
from target_bookio.stream_names import resource_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_bookio.target import TargetBookio


class BookioSink(SingerSink):
    """The records of one stream."""

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
        self._target.delivery.deliver(resource_of(self.stream_name), context.get("records", ()))
