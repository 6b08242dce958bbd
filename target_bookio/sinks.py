"""A sink collects records until they are delivered; it decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from bookio_singer.sdk import SingerSink
from target_bookio.stream_names import resource_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Deliverer(Protocol):
    """The part of the target that a sink uses."""

    def deliver(self, stream: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Carry out records of one stream."""


class BookioSink(SingerSink):
    """The records of one stream."""

    MAX_SIZE_DEFAULT = 20_000

    def __init__(
        self,
        target: Deliverer,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        """Accept the SDK's arguments."""
        super().__init__(cast("Any", target), stream_name, schema, key_properties)
        self._deliver = target.deliver

    def process_batch(self, context: dict[str, Any]) -> None:
        """Deliver what was collected."""
        self._deliver(resource_of(self.stream_name), context.get("records", ()))
