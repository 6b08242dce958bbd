"""A sink collects records until they are delivered; it decides nothing."""

from __future__ import annotations

import zlib
from gzip import BadGzipFile
from typing import TYPE_CHECKING, Any, Protocol, cast

from bookio_api.errors import SettingsError
from bookio_singer.sdk import SingerSink
from target_bookio.reader import batch_lines
from target_bookio.stream_names import resource_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bookio_singer.sdk import BaseBatchFileEncoding
    from target_bookio.reader import ParsedLine


class Deliverer(Protocol):
    """The part of the target that a sink uses."""

    def deliver(self, stream: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Carry out records of one stream."""

    def reject_broken(self, stream: str, line: ParsedLine) -> None:
        """Reject a record with fields that cannot be read."""


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
        self._deliverer = target

    def process_batch(self, context: dict[str, Any]) -> None:
        """Deliver what was collected."""
        self._deliverer.deliver(resource_of(self.stream_name), context.get("records", ()))

    def process_batch_files(self, encoding: BaseBatchFileEncoding, files: Sequence[str]) -> None:
        """Deliver the records of BATCH files.

        Raises:
            SettingsError: a file cannot be read.
        """
        try:
            super().process_batch_files(encoding, files)
        except NotImplementedError:
            form = f"BATCH files of the format {encoding.format} cannot be read"
            msg = f"{form}; set the format of the tap's batch_config to jsonl"
            raise SettingsError(msg) from None
        except (EOFError, BadGzipFile, zlib.error):
            msg = "a BATCH file is not complete gzip; check batch_config, and run the tap again"
            raise SettingsError(msg) from None

    def batch_records(self, file: str, lines: Iterable[bytes]) -> list[dict[str, Any]]:
        """Return the records of a BATCH file, except for those that cannot be read."""
        records = []
        for line in batch_lines(lines, file):
            if line.broken_fields:
                self._deliverer.reject_broken(resource_of(self.stream_name), line)
            else:
                records.append(line.message["record"])
        return records
