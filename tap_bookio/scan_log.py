"""The log entry of one scan, as the optional stream ``scans`` emits it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

NO_FACILITY = 0
"""Stands for all facilities, read at once, in a key that must not be null."""


class ScanReport(NamedTuple):
    """One scan of one list of one facility."""

    stream: str
    facility: int | None
    asked_ms: int
    """When its first request was sent, in epoch milliseconds of the server's clock."""
    started_ms: int
    """The same in epoch milliseconds of our clock, which stamps the records."""
    last_sync: int | None
    """The ``lastSync`` of its requests; None requests all rows."""
    complete: bool
    reason: str
    """Why it may have missed rows, or failed; empty if it did not."""
    rows: int
    requests: int
    seconds: float

    def record(self) -> dict[str, Any]:
        """Return it with the field names of ``schemas/scans.json``."""
        return {
            "stream": self.stream,
            "facilityId": NO_FACILITY if self.facility is None else self.facility,
            "askedAt": rfc3339(self.asked_ms),
            "startedAt": rfc3339(self.started_ms),
            "lastSync": self.last_sync,
            "complete": self.complete,
            "reason": self.reason or None,
            "rows": self.rows,
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
        }


def rfc3339(epoch_ms: int) -> str:
    """Return a moment as text, in UTC."""
    moment = datetime.fromtimestamp(epoch_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
