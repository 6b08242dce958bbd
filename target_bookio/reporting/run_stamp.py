"""The run's id and the time, for every line of its files."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4


@dataclass(frozen=True, slots=True)
class RunStamp:
    """The id of one run."""

    run: str = field(default_factory=lambda: uuid4().hex)

    def now(self) -> str:
        """Return the time, RFC 3339 in UTC."""
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
