"""The records that wait for one row of Bookio, and the state of the first of them."""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bookio_api.errors import BookioError
    from target_bookio.desired import Desired
    from target_bookio.plan.operations import Step
    from target_bookio.plan.plan import Plan


class RowState(StrEnum):
    """The state of a row's queue."""

    READY = "ready"
    """The first record can be planned; a queue without records is done."""
    SENDING = "sending"
    """A request is committed, and perhaps in flight. Nothing else is planned (rule 12)."""
    IN_DOUBT = "in doubt"
    """A request got no response; a lookup must resolve it (rules 14 to 16)."""
    VERIFYING = "verifying"
    """Bookio responded that the row exists, or is gone; a lookup must confirm it."""
    UNLISTED = "unlisted"
    """It was created but its id is unknown; a list must show it before its next record."""
    HELD = "held"
    """Lists may be late, so the row's state is unknown (rule 6)."""
    BEHIND = "behind"
    """It overlaps with a booking whose response decides about it (``on_overlap: reject``)."""
    PARKED = "parked"
    """The record equals an earlier one of the row: history, unless it is the last (rule 11).
    It waits for the end of the input, or for a later record."""


class RowQueue:
    """One row's records in the order of the input. Only its own methods change its state.

    All of them are called by the thread of the reconciler.
    """

    def __init__(self, stream: str, names: Iterable[str]) -> None:
        """Start empty and ready."""
        self.stream = stream
        self.names = set(names)
        self.state = RowState.READY
        self.waiting: deque[Desired] = deque()
        self.key = ""
        """The key of its entry in the journal, once a request was committed."""
        self.error: BookioError | None = None
        """Bookio's response that is being verified."""
        self.wake_at = 0
        """Bookio's time in ms before which a lookup cannot decide."""
        self.since_ms = 0
        """When the attempt in doubt, or being verified, ended (`Moment.steady_ms`); negative if it
        was in an earlier run."""
        self.looks = 0
        """How often lists were read in the current state."""
        self._reset()

    def _reset(self) -> None:
        """Reset what belongs to one record."""
        self.desired: Desired | None = None
        """The first record with its facility's wall times."""
        self.plan: Plan | None = None
        """Its latest plan."""
        self.step: Step | None = None
        """The request that is in flight or in doubt."""
        self.sent = 0
        """How often it was sent without a clear outcome."""
        self.operations: list[str] = []
        """The operations carried out for it."""
        self.sent_fields: dict[str, tuple[str, ...]] = {}
        """The names of the fields that each operation sent."""
        self.fixed: tuple[str, ...] = ()
        """Fields that differ and cannot be changed."""
        self.changes: list[tuple[str, str | None, str | None]] = []
        """Fields that were changed: name, old and new value."""
        self.overlaps: tuple[str, ...] = ()
        """Keys of the bookings with which a request of the record overlaps."""

    @property
    def current(self) -> Desired:
        """The first of the records that wait."""
        return self.waiting[0]

    @property
    def is_done(self) -> bool:
        """Whether nothing waits, not even for a lookup."""
        open_ends = {RowState.SENDING, RowState.IN_DOUBT, RowState.VERIFYING}
        return not self.waiting and self.state not in open_ends

    def add(self, desired: Desired, names: Iterable[str]) -> None:
        """Add a record."""
        self.waiting.append(desired)
        self.names.update(names)

    def absorb(self, other: RowQueue) -> None:
        """Take over the records of a queue that turned out to be of the same row."""
        both = sorted((*self.waiting, *other.waiting), key=lambda desired: desired.place)
        self.waiting = deque(both)
        self.names |= other.names
        other.waiting.clear()

    @property
    def needs_look(self) -> bool:
        """Whether the lists should be read for it now, before any wait."""
        needing = {RowState.IN_DOUBT, RowState.VERIFYING, RowState.UNLISTED}
        return self.state in needing and self.looks == 0

    def looked(self) -> None:
        """Record that the lists were read for it."""
        self.looks += 1

    def finish(self) -> Desired:
        """Remove the first record, whatever its outcome."""
        self.ready()
        self._reset()
        self.looks = 0
        return self.waiting.popleft()

    def note_plan(self, plan: Plan, desired: Desired) -> None:
        """Store the plan of the first record."""
        self.plan, self.desired = plan, desired
        # Once a request is carried out, later plans may no longer contain these fields.
        self.fixed = plan.fixed or self.fixed

    def start(self, key: str, step: Step, overlaps: tuple[str, ...]) -> None:
        """Record that a request is committed under an entry's key."""
        self.key, self.step = key, step
        self.overlaps = overlaps or self.overlaps
        self.looks = 0
        self.state = RowState.SENDING

    @property
    def has_last_step(self) -> bool:
        """Whether the request in flight is all that was planned for the record."""
        return self.plan is None or len(self.plan.steps) == 1

    def step_done(self, changes: Iterable[tuple[str, str | None, str | None]]) -> None:
        """Record that the request in flight was carried out."""
        assert self.step is not None, "only a started step can be done"
        self.operations.append(self.step.operation)
        self.sent_fields[self.step.operation] = tuple(sorted(self.step.body or {}))
        self.changes.extend(changes)
        self.step = None
        self.ready()

    def ready(self) -> None:
        """Plan the first record from scratch."""
        self.error = None
        self.state = RowState.READY

    def doubt(self, since_ms: int) -> None:
        """Record that there was no response."""
        self.sent += 1
        self.since_ms = since_ms
        self.state = RowState.IN_DOUBT

    def inherit_doubt(self, key: str, since_ms: int) -> None:
        """Record that an earlier run left a request without an outcome."""
        self.key, self.since_ms = key, since_ms
        self.looks = 1  # `Reconciler.start` reads the lists for all of them at once
        self.state = RowState.IN_DOUBT

    def verify(self, error: BookioError, since_ms: int) -> None:
        """Record a response that a lookup must confirm."""
        self.error, self.since_ms = error, since_ms
        self.state = RowState.VERIFYING

    def unlisted(self) -> None:
        """Wait until a list shows the new row."""
        self.state = RowState.UNLISTED

    def hold(self, until_ms: int) -> None:
        """Wait for a refresh that starts then or later."""
        self.wake_at = until_ms
        self.state = RowState.HELD

    def wait_for_another(self) -> None:
        """Wait for the response about another row."""
        self.state = RowState.BEHIND

    def park(self) -> None:
        """Wait for the end of the input, or for a later record of the row."""
        self.state = RowState.PARKED
