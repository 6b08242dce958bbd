"""The journal's entry for one row of Bookio, and for a write in flight."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN = ""
"""In `Entry.agreed`: the agreed value is unknown, so every difference is a conflict."""

EXISTS = "create"
"""In `Entry.agreed`: the row was created from here; the digest is that of its fixed fields."""


PERSON, PLACE = "person", "place"
"""In `Entry.agreed`: what identifies a new booking until a list has shown its id (rule 21)."""


class IntentState(StrEnum):
    """The state of a write. A settled one leaves no intent."""

    SENT = "SENT"
    """Committed before its first byte is sent."""
    IN_DOUBT = "IN_DOUBT"
    """Its connection ended without a response."""


class Intent(NamedTuple):
    """One request that is in flight or in doubt."""

    state: IntentState
    operation: str
    sent_at: int
    """Bookio's clock in ms when it was committed."""
    ended_at: int = 0
    """Bookio's clock in ms at the end of the attempt (rule 2); 0 if a kill came before it."""
    intended: Mapping[str, str] = {}
    """Digests of the values that it sets, by field; empty for one that Bookio decides."""
    before: Mapping[str, str] = {}
    """Digests of the values that the row had before, by field (rule 15)."""
    wish: str = ""
    """Digest of the record that it is for."""
    person: int | None = None
    place: int | None = None
    """What identifies a new booking where lists hide ``externalId`` (rules 21 to 24)."""


class Entry(NamedTuple):
    """What the journal knows about one row, under any of its numbers."""

    stream: str
    key: str
    facility_id: int | None = None
    remote_id: int | None = None
    external_id: int | None = None
    agreed: Mapping[str, str] = {}
    """Digests of what was last applied or agreed, by field (rule 9); `UNKNOWN` after a conflict."""
    asked: Mapping[str, str] = {}
    """Digests of what a record last asked for where Bookio decides otherwise (``dateTo``)."""
    past: tuple[str, ...] = ()
    """Digests of the settled records, oldest first (rule 11)."""
    written_at: int = 0
    """Bookio's clock in ms when the last write was answered."""
    intent: Intent | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every key under which a record may refer to this row."""
        names = [self.key]
        if self.remote_id is not None and (name := f"id:{self.remote_id}") != self.key:
            names.append(name)
        if self.external_id is not None and (name := f"externalId:{self.external_id}") != self.key:
            names.append(name)
        return tuple(names)

    @property
    def was_created_here(self) -> bool:
        """Whether the row is known to have existed in Bookio because of us."""
        return EXISTS in self.agreed

    def settled(self, wish: str) -> Entry:
        """Return it with one more settled record, unless it is the last one again."""
        if not wish or self.past[-1:] == (wish,):
            return self
        return self._replace(past=(*self.past, wish))
