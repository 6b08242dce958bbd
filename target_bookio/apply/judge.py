"""Refreshes lists for waiting rows, and acts on what they show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bookio_api.errors import DuplicateError
from target_bookio.apply import messages
from target_bookio.apply.resolver import Finding
from target_bookio.apply.row_queue import RowState
from target_bookio.effects import Effect
from target_bookio.reporting.outcome import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_bookio.apply.answers import Answers
    from target_bookio.apply.bookkeeper import Bookkeeper
    from target_bookio.apply.freshness import Freshness
    from target_bookio.apply.locator import Locator
    from target_bookio.apply.reporter import Reporter
    from target_bookio.apply.resolver import Resolver, Verdict
    from target_bookio.apply.row_queue import RowQueue
    from target_bookio.apply.row_queues import RowQueues
    from target_bookio.journal.entry import Entry
    from target_bookio.journal.permissions import Permissions
    from target_bookio.refresh.refresher import Refresher
    from target_bookio.refresh.server_clock import ServerClock


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Acts on the resolver's verdicts: rules 14 to 16 of docs/design/write-back.md."""

    queues: RowQueues
    keeper: Bookkeeper
    freshness: Freshness
    refresher: Refresher
    locator: Locator
    resolver: Resolver
    answers: Answers
    reporter: Reporter
    permissions: Permissions
    clock: ServerClock
    dry_run: bool

    def wait_ms(self, queue: RowQueue) -> int:
        """Return how long it takes until a lookup can decide; 0 or less if it can now."""
        if queue.state not in {RowState.IN_DOUBT, RowState.VERIFYING}:
            return queue.wake_at - self.clock.now_ms()
        return self.resolver.deadline(self._since_ms(queue)) - self.clock.steady_ms()

    def _since_ms(self, queue: RowQueue) -> int:
        """Return when a row's attempt ended, by the clock that never jumps (rule 2)."""
        # How long ago an earlier run's attempt ended, only Bookio's clock can tell. If that jumps,
        # only the time since the start of this run is certain.
        return max(0, queue.since_ms) if self.clock.jumps else queue.since_ms

    def look(self, queues: Iterable[RowQueue]) -> bool:
        """Refresh the lists that these rows wait for, and judge; True if a write was found.

        A list is read in full where nothing less can decide: a row's wait is over, or Bookio's
        response about it must be verified.
        """
        needs_full_scan: dict[str, bool] = {}
        for queue in queues:
            queue.looked()
            is_due = self.wait_ms(queue) <= 0 and queue.state is not RowState.UNLISTED
            is_asked = (queue.state is RowState.VERIFYING and queue.looks == 1) or is_due
            needs_full_scan[queue.stream] = needs_full_scan.get(queue.stream, False) or is_asked
        for stream, full in needs_full_scan.items():
            self.freshness.again(stream, full=full)
        return self.judge_all()

    def judge_all(self) -> bool:
        """Judge every row that waits for a list; True if a write was found."""
        found = False
        for queue in self.queues:
            match queue.state:
                case RowState.IN_DOUBT:
                    found |= self._judge_doubt(queue)
                case RowState.VERIFYING:
                    self._judge_answer(queue)
                case RowState.HELD | RowState.UNLISTED:
                    self.queues.make_ready(queue)
                case RowState.READY | RowState.SENDING | RowState.BEHIND | RowState.PARKED:
                    pass  # these do not wait for a list
        return found

    def _judge_doubt(self, queue: RowQueue) -> bool:
        """Decide about a write in doubt by what the lists show; True if it was found."""
        entry = self.keeper.entry(queue.stream, queue.key)
        verdict = self.resolver.resolve(entry, self._since_ms(queue))
        match verdict.finding:
            case Finding.LANDED:
                self._landed(queue, entry, verdict)
                return True
            case Finding.OPEN if not self.dry_run:
                pass
            case Finding.OPEN | Finding.NOT_LANDED:  # a dry run does not wait, but plans
                self.keeper.withdraw(entry)
                if queue.waiting and queue.step is not None:
                    self.reporter.retried()
                self.queues.make_ready(queue)  # planned from scratch (rule 16)
            case Finding.UNDECIDABLE:
                self.keeper.undecidable(entry)
                if queue.waiting:
                    self.reporter.reject(queue, messages.IN_DOUBT, reason=Reason.IN_DOUBT)
                self.queues.make_ready(queue)
        return False

    def _landed(self, queue: RowQueue, entry: Entry, verdict: Verdict) -> None:
        """Record that a write was carried out, or that a person did the same (rule 14)."""
        row_id, intent = verdict.row_id, entry.intent
        self.keeper.found(entry, row_id, by_value=verdict.by_value)
        if verdict.by_value and row_id is not None and intent is not None:
            facility_id, ended_at = entry.facility_id, intent.ended_at
            self.refresher.holds.quarantine(queue.stream, row_id, facility_id, ended_at)
        self.answers.found(queue, row_id)

    def _judge_answer(self, queue: RowQueue) -> None:
        """Verify a response by what the lists show."""
        entry, error = self.keeper.entry(queue.stream, queue.key), queue.error
        assert error is not None, "only responses are verified"
        removes = queue.step is not None and queue.step.effect is Effect.REMOVE
        # 1. A duplicate: the row is planned as the list shows it, or rejected if it shows none.
        if isinstance(error, DuplicateError):
            self.keeper.withdraw(entry)
            if self.locator.locate(queue.current).seen is None:
                self.reporter.reject(queue, messages.DUPLICATE, error=error)
            self.queues.make_ready(queue)
        # 2. An unknown path to a row that lists no longer show: it was removed, by our request or
        #    by somebody.
        elif removes and self.resolver.is_gone(entry):
            self.answers.carried_out(queue, entry, entry.remote_id)
        elif self._is_removed(queue, entry):
            self.answers.removed(queue, entry)
        # 3. The path has worked, so the row may be gone and the list late.
        elif self._may_be_late(queue, entry):
            pass
        # 4. An unknown path to a row that lists show: the path is wrong for all rows.
        else:
            self.keeper.withdraw(entry)
            raise error

    def _is_removed(self, queue: RowQueue, entry: Entry) -> bool:
        """Whether somebody removed a row that was to be changed (rule 17)."""
        # With source_wins it would be booked again, so the path must be known to work.
        is_sure = not self.answers.source_wins or self._has_worked(entry)
        return is_sure and self.resolver.is_removed(entry, self._since_ms(queue))

    def _may_be_late(self, queue: RowQueue, entry: Entry) -> bool:
        """Whether a list may still show a row that Bookio did not find, although the path works."""
        is_final = self.resolver.is_final(entry, self._since_ms(queue))
        return not is_final and self._has_worked(entry)

    def _has_worked(self, entry: Entry) -> bool:
        """Whether the request's path has ever worked."""
        assert entry.intent is not None, "only the response to a request is verified"
        return self.permissions.has_succeeded(entry.intent.operation)
