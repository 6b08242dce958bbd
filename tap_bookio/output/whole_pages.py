"""Writes a page of records at once if the SDK would not change them.

The SDK masks, maps, wraps and serialises record by record. Where all fields are selected and no
stream map, flattening, batch or record limit is in force, that changes nothing, so a page goes
out as it is. Otherwise records take the SDK's own way. Both ways write the same bytes but for
``time_extracted``; tests/unit/test_whole_pages.py compares them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bookio_singer.sdk import SingerStream, encoder
from tap_bookio.output.block_writer import BlockWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Row = dict[str, Any]


class WholePages(SingerStream):
    """A stream whose records come in pages."""

    def get_pages(self, context: Mapping[str, Any] | None) -> Iterable[list[Row]]:
        """Yield pages of records of one partition."""
        raise NotImplementedError

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[Row]:
        """Yield the records of one partition."""
        for page in self.get_pages(context):
            yield from page

    def sync_partition(self, context: Mapping[str, Any] | None) -> Iterator[Row]:
        """Write the pages of one partition, or leave its records to the SDK if it must see them."""
        writer = self._page_writer()
        if writer is None:
            yield from super().sync_partition(context)
            return
        with self.get_record_counter() as counter, self.get_sync_timer() as timer:
            counter.with_context(context)
            timer.with_context(context)
            for page in filter(None, self.get_pages(context)):
                writer.write_block(*self._lines(page))
                counter.increment(len(page))

    def _page_writer(self) -> BlockWriter | None:
        """Return the writer for whole pages, or ``None`` if the SDK must see the records."""
        writer = self.message_writer
        if self.is_writing and self.passes_records_unchanged and isinstance(writer, BlockWriter):
            return writer
        return None

    def _lines(self, page: list[Row]) -> tuple[bytes | memoryview, ...]:
        """Return RECORD messages as the SDK would write them, in pieces to be written together."""
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        version = "" if self.record_version is None else f'"version":{self.record_version},'
        head = f'{{"type":"RECORD","stream":"{self.name}","record":'.encode()
        tail = f',{version}"time_extracted":"{now}"}}\n'.encode()
        rows: bytes = encoder.encode_lines(page)  # JSON text contains no raw line break
        lines = rows.replace(b"\n", tail + head, len(page) - 1)
        return head, memoryview(lines)[:-1], tail
