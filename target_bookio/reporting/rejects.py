"""Records that could not be written: one JSON line each, on the disk before STATE passes them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bookio_api.errors import SettingsError
from target_bookio.desired import key_of
from target_bookio.private_files import private_file, write_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Rejects:
    """Appends to the reject file. Field names and codes only, unless records are asked for."""

    def __init__(self, path: Path | None, *, include_records: bool = False) -> None:
        """Open the file, or none to keep nothing; ``SettingsError`` if it cannot be."""
        self._file = None if path is None else private_file(path, "rejects_path")
        self._include_records = include_records
        self._lines = bytearray()

    def forget_before(self, days: int) -> None:
        """Empty the file if it was not written to for so many days."""
        if self._file is not None and os.fstat(self._file).st_mtime < time.time() - days * 86400:
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
        if self._lines and self._file is not None:
            write_all(self._file, self._lines)
            os.fsync(self._file)
            self._lines = bytearray()

    def close(self) -> None:
        """Commit and close."""
        self.commit()
        if self._file is not None:
            os.close(self._file)


class _Reject(msgspec.Struct):
    stream: str
    record: dict[str, Any] | None = None


def replayed(path: Path) -> Iterator[str]:
    """Yield Singer messages of the records in a reject file, repaired or not.

    Raises:
        SettingsError: the file cannot be read, or a line holds no record.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        msg = f"--replay: {path} cannot be read ({error.strerror})"
        raise SettingsError(msg) from error
    streams: set[str] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            stream, record = msgspec.structs.astuple(msgspec.json.decode(line, type=_Reject))
        except (msgspec.DecodeError, RecursionError) as error:
            msg = f"--replay: line {number} of {path} is no reject; repair or remove it"
            raise SettingsError(msg) from error
        if record is None:
            msg = (
                f"--replay: line {number} of {path} holds no record; rejects hold them only if "
                "rejects_include_records is on when they are made"
            )
            raise SettingsError(msg)
        if stream not in streams:
            streams.add(stream)
            schema = {"type": "SCHEMA", "stream": stream, "schema": {"properties": {}}}
            yield msgspec.json.encode({**schema, "key_properties": []}).decode()
        yield msgspec.json.encode({"type": "RECORD", "stream": stream, "record": record}).decode()
