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
from target_bookio.plan.operations import Effect

if TYPE_CHECKING:
    from target_bookio.apply.bookkeeper import Bookkeeper
    from target_bookio.apply.reporter import Reporter
    from target_bookio.apply.row_queue import RowQueue
    from target_bookio.apply.row_queues import RowQueues
    from target_bookio.apply.sender import Result
    from target_bookio.journal.entry import Entry
    from target_bookio.refresh.mirror import Mirror
    from target_bookio.refresh.refresher import Refresher


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Records the responses of one run, in the books and in the row's queue."""

    queues: RowQueues
    keeper: Bookkeeper
    mirror: Mirror
    refresher: Refresher
    reporter: Reporter
    source_wins: bool

    def note(self, queue: RowQueue, entry: Entry, result: Result) -> None:
        """Record the result of a row's request.

        1. It was never sent: the intent is withdrawn, and the queue does not change.
        2. No response: it is in doubt.
        3. Done; so is a removal of a row that is already gone.
        4. A response that may be wrong (a duplicate, an unknown path to a row that may be gone):
           a lookup must confirm it.
        5. Not found: somebody removed the row. Only a list could show that otherwise, so
           this is how it is noticed (rule 17).
        6. Refused: a reject.

        Raises:
            BookioError: anything else, because it fails for every record.
        """
        error = result.error
        effect = queue.step.effect if queue.step is not None else None
        removes, creates = effect is Effect.REMOVE, effect is Effect.CREATE
        if not result.was_sent:
            self.keeper.take_back(entry)
        elif isinstance(error, OutcomeUnknownError):
            self.watch(self.keeper.doubt(entry))
            queue.doubt()
        elif error is None or (removes and isinstance(error, NotFoundError)):
            self.carried_out(queue, entry, result.row_id)
        elif (removes and isinstance(error, UnknownPathError)) or (
            creates and isinstance(error, DuplicateError)
        ):
            self.watch(entry)
            queue.verify(error)
        elif isinstance(error, NotFoundError) and not creates:
            self.keeper.removed(entry, forget_id=self.source_wins)
            if queue.current.id is not None:
                self.reporter.refused(queue, error)
            self.queues.make_ready(queue)
        else:
            self.keeper.take_back(entry)
            if not isinstance(error, RefusedError):
                raise error
            self.reporter.refused(queue, error)
            self.queues.make_ready(queue)

    def note_last(self, queue: RowQueue, entry: Entry, result: Result) -> None:
        """Record the result of a request that was in flight when the run was stopped."""
        if result.error is None and result.was_sent:
            self.carried_out(queue, entry, result.row_id)
        elif isinstance(result.error, OutcomeUnknownError):
            self.keeper.doubt(entry)
        else:
            self.keeper.take_back(entry)

    def carried_out(self, queue: RowQueue, entry: Entry, row_id: int | None) -> None:
        """Record a successful request; its record is done if it was the last one."""
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

    def found(self, queue: RowQueue, row_id: int | None) -> None:
        """Record that a list shows a request as carried out, if this run has its record."""
        if queue.step is not None and queue.waiting:
            is_last = queue.has_last_step
            queue.step_done(())
            if is_last:
                self.reporter.done(queue, row_id)
        self.queues.make_ready(queue)

    def watch(self, entry: Entry) -> None:
        """Keep the listings of a row whose request has no clear response."""
        if entry.remote_id is not None:
            self.refresher.rows.watch(entry.stream, entry.remote_id)
