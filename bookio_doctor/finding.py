"""What the doctor says about one assumption."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookio_api.contract import Evidence


class Verdict(StrEnum):
    """Whether an assumption was seen to hold."""

    HOLDS = "holds"
    NOT_SHOWN = "not shown"
    DIFFERS = "differs"
    BLOCKS = "blocks"
    """Bookio cannot be used like this, whatever is configured."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One assumption, and what was seen of it. It contains no values from rows."""

    topic: str
    assumption: str
    evidence: Evidence
    """How well the assumption was known before."""
    verdict: Verdict
    seen: str
    meaning: str = ""
    """What follows for the user; empty if nothing does."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Entries of the setting ``endpoint_overrides`` that correct it."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Other settings that fit what was seen, by name."""
    patch: tuple[Mapping[str, Any], ...] = ()
    """JSON Patch operations (RFC 6902) for the schema of ``stream``."""
    stream: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it for a report that programs read."""
        return {
            "topic": self.topic,
            "assumption": self.assumption,
            "evidence": self.evidence.value,
            "verdict": self.verdict.value,
            "seen": self.seen,
            "meaning": self.meaning,
            "endpoint_overrides": dict(self.overrides),
            "settings": dict(self.settings),
            "stream": self.stream,
            "schema_patch": list(self.patch),
        }
