"""The reject file: one JSON line per record, on the disk before STATE is emitted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from target_bookio.private_files import PrivateFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_bookio.plan.operations import Digest
    from target_bookio.reporting.outcome import Outcome
    from target_bookio.reporting.run_stamp import RunStamp


class Rejects:
    """Appends to the reject file: only field names and codes, unless records are included.

    Each line has a fingerprint, so that the same reject of the same record is written only once,
    however often the source sends it. It is a keyed hash: a plain hash of a record would let anyone
    test guesses about a patient.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        stamp: RunStamp,
        digest: Digest,
        include_records: bool = False,
        retention_days: int | None = None,
        read_only: bool = False,
    ) -> None:
        """Open the file; without a path nothing is stored.

        With ``retention_days``, a file that was not written to for that long is emptied. With
        ``read_only``, as in a dry run, the file is only read, to recognise earlier rejects.

        Raises:
            FileError: the file cannot be opened.
        """
        self._file = None if path is None else PrivateFile(path, "rejects_path")
        self._is_kept = self._file is not None and not read_only
        self._stamp = stamp
        self._digest = digest
        self._include_records = include_records
        self._lines = bytearray()
        self._fingerprints: set[str] = set()
        if self._file is not None:
            age_s = time.time() - self._file.changed_at_s
            if self._is_kept and retention_days and age_s > retention_days * 86_400:
                self._file.empty()
            self._fingerprints.update(_fingerprints(self._file))
            if not self._file.ends_with_newline:  # a kill truncated the last line
                self._lines += b"\n"

    def add(self, outcome: Outcome) -> bool:
        """Add a reject or a conflict; the next ``commit`` makes it durable.

        Returns whether it is new. A reject that is already in the file is not repeated.
        """
        fingerprint = self._fingerprint(outcome)
        if fingerprint in self._fingerprints:
            return False
        self._fingerprints.add(fingerprint)
        if not self._is_kept:
            return True
        line = {
            "run": self._stamp.run,
            "time": self._stamp.now(),
            "stream": outcome.stream,
            "key": outcome.key,
            "operation": " ".join(outcome.operations) or None,
            "code": outcome.code,
            "message": outcome.message,
            "fields": outcome.fields,
            "reason": outcome.reason,
            "fingerprint": fingerprint,
        }
        if self._include_records:
            line["record"] = outcome.record
        self._lines += msgspec.json.encode(line) + b"\n"
        return True

    def commit(self) -> None:
        """Flush everything to the disk."""
        if self._lines and self._file is not None and self._is_kept:
            self._file.append(self._lines)
            self._lines = bytearray()
            self._file.commit()

    def close(self) -> None:
        """Commit and close."""
        try:
            self.commit()
        finally:
            if self._file is not None:
                self._file.close()

    def _fingerprint(self, outcome: Outcome) -> str:
        """Return a value that is the same whenever the record is rejected for the same reason."""
        # Without what a loader adds, such as the time of extraction, which differs in each run.
        values = sorted(
            (name, repr(value))
            for name, value in outcome.record.items()
            if not name.casefold().startswith("_sdc_") or name.casefold() == "_sdc_deleted_at"
        )
        why = [outcome.reason, outcome.operations, outcome.code, outcome.message, outcome.fields]
        return self._digest([outcome.stream, outcome.key, values, why])


class _Line(msgspec.Struct):
    fingerprint: str | None = None


def _fingerprints(file: PrivateFile) -> Iterator[str]:
    """Yield the fingerprints in a reject file; lines of earlier versions have none."""
    decoder = msgspec.json.Decoder(_Line)
    for line in file.lines():
        try:
            fingerprint = decoder.decode(line).fingerprint
        except (ValueError, RecursionError):
            continue  # somebody edited the line, so its record is reported again
        if fingerprint:
            yield fingerprint
