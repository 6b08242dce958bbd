"""The journal's entry for one row of Bookio, with the write that is in flight."""

from __future__ import annotations

from enum import StrEnum
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN = ""
"""In `Entry.agreed`: the agreed value is unknown, so every difference is a conflict."""

EXISTS = "create"
"""In `Entry.agreed`: the digest of the fixed fields with which we created the row."""

REFUSED = "!"
"""In `Entry.past`: precedes the wish of a record that was rejected or in conflict."""

PERSON, PLACE = "person", "place"
"""In `Entry.agreed`: what identifies a new booking until a list has shown its id (rule 21)."""


class IntentState(StrEnum):
    """The state of a write whose outcome is not known yet. A known outcome removes the intent."""

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
    """Bookio's clock in ms at the end of the attempt (rule 2); 0 if it has not ended, or a kill
    ended it."""
    intended: Mapping[str, str] = {}
    """Digests of the values that it sets, by field; an empty one if Bookio decides the value."""
    before: Mapping[str, str] = {}
    """Digests of the values that the row had before, by field (rule 15)."""
    wish: str = ""
    """The wish (`Desired.wish`) that it carries out."""
    person: int | None = None
    place: int | None = None
    """What identifies a new booking where lists hide ``externalId`` (rules 21 to 24)."""
    asked_end: str = ""
    """Digest of the end that a booking's record asks for; Bookio may set another one."""

    def ended(self, now_ms: int) -> Intent:
        """Return the intent of an attempt that ends now without a response (rule 2)."""
        # Bookio's clock may have gone back since it was sent. The changes since then include it
        # only if they are asked for by the earlier of the two times (rule 15).
        sent_at = min(self.sent_at, now_ms)
        return self._replace(state=IntentState.IN_DOUBT, sent_at=sent_at, ended_at=now_ms)


class Entry(NamedTuple):
    """What the journal contains about one row of Bookio."""

    stream: str
    key: str
    facility_id: int | None = None
    remote_id: int | None = None
    external_id: int | None = None
    agreed: Mapping[str, str] = {}
    """Digests of the last agreed values, by field (rule 9); `UNKNOWN` after a conflict."""
    asked: Mapping[str, str] = {}
    """Digests of values that a record asked for and Bookio replaced by its own (``dateTo``)."""
    past: tuple[str, ...] = ()
    """The wishes of its records, oldest first (rule 11); see `REFUSED`."""
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
        """Whether we created the row."""
        return EXISTS in self.agreed

    @property
    def last_settled(self) -> str:
        """The wish of the last settled record; empty if there is none."""
        return next((wish for wish in reversed(self.past) if not wish.startswith(REFUSED)), "")

    def settled(self, wish: str) -> Entry:
        """Return the entry with one more settled record, unless it repeats the last one."""
        return self if wish in {"", self.last_settled} else self._replace(past=(*self.past, wish))

    def refused(self, wish: str) -> Entry:
        """Return the entry with one more record that was rejected or in conflict."""
        # A record that fails in every run is stored once.
        latest = {*takewhile(lambda past: past.startswith(REFUSED), reversed(self.past))}
        if wish in {"", self.last_settled} or REFUSED + wish in latest:
            return self
        return self._replace(past=(*self.past, REFUSED + wish))
