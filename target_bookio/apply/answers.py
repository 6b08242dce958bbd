"""What Bookio's response to a request means for its row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bookio_api.errors import (
    DuplicateError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    UnknownPathError,
)
from target_bookio.apply.reporter import changes_of
from target_bookio.effects import Effect

if TYPE_CHECKING:
    from target_bookio.apply.bookkeeper import Bookkeeper
    from target_bookio.apply.reporter import Reporter
    from target_bookio.apply.row_queue import RowQueue
    from target_bookio.apply.row_queues import RowQueues
    from target_bookio.apply.sender import Result
    from target_bookio.journal.entry import Entry
    from target_bookio.refresh.mirror import Mirror
    from target_bookio.refresh.refresher import Refresher
    from target_bookio.refresh.server_clock import ServerClock


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Records the responses of one run, in the books and in the row's queue."""

    queues: RowQueues
    keeper: Bookkeeper
    mirror: Mirror
    refresher: Refresher
    reporter: Reporter
    clock: ServerClock
    source_wins: bool

    def record(self, queue: RowQueue, entry: Entry, result: Result) -> None:
        """Record the result of a row's request.

        Raises:
            BookioError: an error that every other record would meet as well.
        """
        error = result.error
        effect = queue.step.effect if queue.step is not None else None
        removes, creates = effect is Effect.REMOVE, effect is Effect.CREATE
        if not result.was_sent:  # the run is ending: the queue need not continue
            self.keeper.withdraw(entry)
        elif isinstance(error, OutcomeUnknownError):
            self.watch(self.keeper.doubt(entry))
            queue.doubt(self.clock.steady_ms())
        # If a row to be removed does not exist, that is a success, too.
        elif error is None or (removes and isinstance(error, NotFoundError)):
            self.carried_out(queue, entry, result.row_id)
        # These responses may be wrong, so a list must confirm them: the row exists already, or
        # the path is unknown, which may mean that the row is gone.
        elif isinstance(error, DuplicateError if creates else UnknownPathError):
            self.watch(entry)
            queue.verify(error, self.clock.steady_ms())
        # Somebody removed the row: between two full scans only this response shows it (rule 17).
        elif isinstance(error, NotFoundError) and not creates:
            if queue.current.id is not None:
                self.reporter.refused(queue, error)
            self.removed(queue, entry)
        else:
            self.keeper.withdraw(entry)
            if not isinstance(error, RefusedError):
                raise error
            self.reporter.refused(queue, error)
            self.queues.make_ready(queue)

    def record_last(self, queue: RowQueue, entry: Entry, result: Result) -> None:
        """Record the result of a request that was in flight when the run was stopped."""
        if result.error is None and result.was_sent:
            self.carried_out(queue, entry, result.row_id)
        elif isinstance(result.error, OutcomeUnknownError):
            self.keeper.doubt(entry)
        else:
            self.keeper.withdraw(entry)

    def carried_out(self, queue: RowQueue, entry: Entry, row_id: int | None) -> None:
        """Record a successful request; its record is done if it was the last of its plan."""
        step, desired = queue.step, queue.desired
        assert step is not None, "only what was started can be answered"
        assert desired is not None, "only what was planned can be answered"
        is_creation = step.effect is Effect.CREATE
        old = None if is_creation or row_id is None else self.mirror.get(queue.stream, row_id)
        changes = changes_of(step, old.row if old else {})
        confirmed = self.keeper.answered(entry, step, row_id, desired)
        is_last = queue.has_last_step
        queue.step_done(changes)
        if is_last:
            self.keeper.settle(confirmed, queue.current.wish)
            self.reporter.done(queue, row_id)
        self.queues.make_ready(queue)

    def removed(self, queue: RowQueue, entry: Entry) -> None:
        """Record that somebody removed the row, and plan its records without it (rule 17)."""
        self.keeper.removed(entry, forget_id=self.source_wins)
        self.queues.make_ready(queue)

    def found(self, queue: RowQueue, row_id: int | None) -> None:
        """Continue a row whose write was found in a list.

        A doubt of an earlier run has no record here until the source sends one.
        """
        if queue.step is not None and queue.waiting:
            is_last = queue.has_last_step
            queue.step_done(())
            if is_last:
                self.reporter.done(queue, row_id)
        self.queues.make_ready(queue)

    def watch(self, entry: Entry) -> None:
        """From now on keep what lists show of the row: the resolver needs it unmerged."""
        if entry.remote_id is not None:
            self.refresher.rows.watch(entry.stream, entry.remote_id)
