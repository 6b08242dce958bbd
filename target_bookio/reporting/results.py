"""The outcome of every record as a JSON line, for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from target_bookio.private_files import PrivateFile

if TYPE_CHECKING:
    from pathlib import Path

    from target_bookio.reporting.outcome import Outcome
    from target_bookio.reporting.run_stamp import RunStamp

_MAX_BUFFER_BYTES = 1 << 20


class Results:
    """Appends to the file of ``results_path``; no line contains patient data."""

    def __init__(self, path: Path | None, stamp: RunStamp) -> None:
        """Open the file, or raise ``FileError``; without a path nothing is stored."""
        self._file = None if path is None else PrivateFile(path, "results_path")
        self._stamp = stamp
        self._lines = bytearray()

    def add(self, outcome: Outcome) -> None:
        """Add an outcome; the next ``commit`` makes it durable."""
        if self._file is None:
            return
        line = {
            "run": self._stamp.run,
            "time": self._stamp.now(),
            "stream": outcome.stream,
            "key": outcome.key,
            "id": outcome.row_id,
            "operation": " ".join(outcome.operations) or None,
            "outcome": outcome.kind,
            "code": outcome.code,
            "message": outcome.message or None,
            "overlaps": outcome.overlaps,
        }
        self._lines += msgspec.json.encode(line) + b"\n"
        if len(self._lines) >= _MAX_BUFFER_BYTES:
            self._write()

    def commit(self) -> None:
        """Flush everything to the disk."""
        self._write()
        if self._file is not None:
            self._file.commit()

    def close(self) -> None:
        """Commit and close."""
        try:
            self.commit()
        finally:
            if self._file is not None:
                self._file.close()

    def _write(self) -> None:
        if self._file is not None and self._lines:
            self._file.append(self._lines)
            self._lines = bytearray()
