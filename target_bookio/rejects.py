"""Records that could not be written: one JSON line each, on the disk before STATE passes them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from target_bookio.files import private_file
from target_bookio.record import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Rejects:
    """Appends to the reject file. Field names and codes only, unless records are asked for."""

    def __init__(self, path: Path, *, include_records: bool = False) -> None:
        """Open the file; ``SettingsError`` if it cannot be."""
        self._file = private_file(path, "rejects_path")
        self._include_records = include_records
        self._lines = bytearray()

    def forget_before(self, days: int) -> None:
        """Empty the file if it was not written to for so many days."""
        if os.fstat(self._file).st_mtime < time.time() - days * 86400:
            os.ftruncate(self._file, 0)

    def add(
        self,
        stream: str,
        record: Mapping[str, Any],
        message: str,
        *,
        operation: str | None = None,
        code: int | None = None,
        fields: tuple[str, ...] = (),
    ) -> None:
        """Note a reject; it lasts from the next ``commit`` on."""
        line = {
            "stream": stream,
            "key": key_of(stream, record),
            "operation": operation,
            "code": code,
            "message": message,
            "fields": list(fields),
        }
        if self._include_records:
            line["record"] = dict(record)
        self._lines += msgspec.json.encode(line) + b"\n"

    def commit(self) -> None:
        """Put all that was noted on the disk."""
        if self._lines:
            os.write(self._file, self._lines)
            os.fsync(self._file)
            self._lines = bytearray()

    def close(self) -> None:
        """Commit and close."""
        self.commit()
        os.close(self._file)


def replayed(path: Path) -> Iterator[str]:
    """Yield Singer messages of the records in a reject file, repaired or not.

    Raises:
        ValueError: a line holds no record, as ``rejects_include_records`` was off.
    """
    streams: set[str] = set()
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        reject = msgspec.json.decode(line)
        stream, record = reject.get("stream"), reject.get("record")
        if not stream or record is None:
            msg = f"line {number} of {path} holds no record; set rejects_include_records"
            raise ValueError(msg)
        if stream not in streams:
            streams.add(stream)
            schema = {"type": "SCHEMA", "stream": stream, "schema": {"properties": {}}}
            yield msgspec.json.encode({**schema, "key_properties": []}).decode()
        yield msgspec.json.encode({"type": "RECORD", "stream": stream, "record": record}).decode()
