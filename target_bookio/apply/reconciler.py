"""Carries records out, effectively once: start here.

A batch is refreshed (once per run), planned row by row, committed, sent, and recorded. The records
of a row are processed one after another, each planned on the result of the previous one; rows are
processed in parallel. A row that cannot continue yet (its write is in doubt, lists may be late, its
record may be history) waits while the others continue; the run and STATE wait for it at the end.
Comments cite the rules of docs/design/write-back.md.

    intake -> row_queues -> decider -> (commit) -> sender -> answers -> the row's next record
                               ^                                |
                               +---------- judge <--- in doubt -+
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from bookio_api.errors import OutcomeUnknownError, TransportError
from target_bookio.apply.row_queue import RowState
from target_bookio.apply.sender import Shipment
from target_bookio.effects import Effect
from target_bookio.refresh.listed_row import Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from bookio_api.facilities import Facilities
    from target_bookio.apply.answers import Answers
    from target_bookio.apply.bookkeeper import Bookkeeper
    from target_bookio.apply.books import Books
    from target_bookio.apply.decider import Decider, NextRequest
    from target_bookio.apply.freshness import Freshness
    from target_bookio.apply.intake import Intake
    from target_bookio.apply.judge import Judge
    from target_bookio.apply.locator import Locator
    from target_bookio.apply.row_queue import RowQueue
    from target_bookio.apply.row_queues import RowQueues
    from target_bookio.apply.sender import Result, Sender
    from target_bookio.journal.entry import Entry
    from target_bookio.refresh.server_clock import ServerClock

logger = logging.getLogger(__name__)

MAX_SILENCE = 10
"""After this many writes in a row without a clear response, sending waits for a lookup."""
MAX_PAUSE_S = 30
"""The longest pause between two lookups of a doubt."""


@dataclass(kw_only=True)
class Reconciler:
    """Delivers the records of one run. Only the run's thread changes its state."""

    books: Books
    keeper: Bookkeeper
    queues: RowQueues
    intake: Intake
    freshness: Freshness
    locator: Locator
    decider: Decider
    sender: Sender
    answers: Answers
    judge: Judge
    facilities: Facilities
    clock: ServerClock
    pause: Callable[[float], None]
    """Waits for a number of seconds."""
    _in_flight: dict[int, tuple[RowQueue, Entry]] = field(default_factory=dict, init=False)
    """Committed requests without a result, by ticket."""
    _tickets: Iterator[int] = field(default_factory=count, init=False)
    _silence: int = field(default=0, init=False)
    """How many writes in a row had no clear response."""
    _commit_s: float = field(default=0.0, init=False)
    """How long the last commit took. Set by the thread that commits."""
    _behind: list[RowQueue] = field(default_factory=list, init=False)
    """Rows that wait for the next response, whichever it is: see `RowState.BEHIND`."""
    _is_at_end: bool = field(default=False, init=False)
    """Whether all input has been read, so that no later record of a row can arrive."""

    @property
    def is_caught_up(self) -> bool:
        """Whether no record waits, so that STATE may be emitted."""
        return not self.queues

    def start(self) -> None:
        """Resolve the writes that an earlier run left without an outcome."""
        left_over = list(self._lookable(self.books.journal.in_doubt()))
        if not left_over:
            return
        now = self.clock.now_ms()
        for known in left_over:
            entry = known
            since_ms, intent = self.clock.steady_ms(), entry.intent
            assert intent is not None, "the journal returns only doubts"
            # After a kill the attempt has no end time, and after Bookio's clock went back it has
            # a wrong one. Either way the wait starts now (rule 2).
            if not 0 < intent.ended_at <= now or not self.clock.is_known:
                entry = self.keeper.doubt(entry)
            else:
                since_ms -= now - intent.ended_at
            self.answers.watch(entry)
            self.queues.inherit_doubt(entry, since_ms)
        self.books.commit()
        logger.info(
            "looking up %d writes that an earlier run left without an answer", len(left_over)
        )
        for stream in dict.fromkeys(entry.stream for entry in left_over):
            self.freshness.ensure(stream)
        self.judge.judge_all()
        self.queues.drop_done()
        self.books.commit()

    def _lookable(self, left_over: Iterable[Entry]) -> Iterator[Entry]:
        """Yield the writes in doubt of the facilities in scope; warn of the others, once."""
        others = 0
        for entry in left_over:
            facility = entry.facility_id
            # Only the lists of its own facility can show what became of a write.
            if facility is None or self.facilities.is_in_scope(facility):
                yield entry
            else:
                others += 1
        if others:
            logger.warning(
                "the outcome of %d writes is unknown, and stays so: they went to facilities that "
                "the token cannot see or facility_ids leaves out; run with those facilities",
                others,
            )

    def deliver(self, stream: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Carry out records of one stream, as far as possible now.

        Raises:
            BookioError: the run cannot continue; unfinished writes are in the journal.
        """
        readable = self.intake.read(stream, records)
        if readable:
            self.freshness.ensure(stream)
        self.locator.load(stream, readable)
        for desired in readable:
            self.queues.enqueue(desired, self.locator.names(desired))
        self._work()
        self.books.commit()
        self.books.report.check_limits()

    def finish(self) -> None:
        """Carry out what waited for the end of the input, and wait for writes in doubt.

        Raises:
            BookioError: the run cannot continue; unfinished writes are in the journal.
        """
        self._is_at_end = True
        self.queues.unpark()
        self._work()
        pause_s = 1.0
        while self.queues:
            self.books.commit()
            self._wait(pause_s)
            pause_s = min(2 * pause_s, MAX_PAUSE_S)
            self.judge.look(self.queues)
            self._work()
        self.freshness.report_duplicates()
        self.books.commit()
        self.books.report.check_limits()

    def stop(self) -> None:
        """Send nothing more, and record the results of requests in flight."""
        # A commit under way hands its requests to the sender, or withdraws them, when it ends.
        self.books.journal.database.wait_for_commit()
        for result in self.sender.stop():
            queue, entry = self._in_flight.pop(result.ticket)
            self.answers.record_last(queue, entry, result)
        self.books.commit()

    def _wait(self, longest_s: float) -> None:
        """Pause until a lookup can decide."""
        wait_ms = min(map(self.judge.wait_ms, self.queues))
        pause_s = min(max(0, wait_ms) / 1000, longest_s)
        logger.info(
            "%d rows wait because the outcome of their writes is unknown; looking again in "
            "%.0f s; see resend_after_seconds",
            len(self.queues),
            pause_s,
        )
        self.pause(pause_s)

    def _work(self) -> None:
        """Plan, send and record, until every row is done or waits for something."""
        while True:
            self._send_ready()
            # A new doubt is looked up at once: if the write arrived, a list may show it long before
            # resend_after_seconds have passed.
            unread = [queue for queue in self.queues if queue.needs_look]
            if not unread:
                break
            found = self.judge.look(unread)
            self._end_silence(found=found)
        self.queues.drop_done()

    def _send_ready(self) -> None:
        """Send what can be sent now; all responses have arrived when this returns."""
        while self.queues.has_ready or self._in_flight:
            if len(self._in_flight) <= self._low_water:
                self._stage()
            if self._in_flight:
                for result in self.sender.receive():
                    self._record(result)
            elif self._is_sending_stopped:
                break
        self.books.report.check_limits()

    @property
    def _low_water(self) -> int:
        """The number of requests in flight at which the next ones are committed.

        1. Usually half of the maximum, so that threads have requests to send while the next ones
           are committed.
        2. If a commit takes longer than a response, none: commits are the bottleneck then, so each
           should contain as many requests as possible.
        """
        is_disk_slower = 2 * self.sender.answer_s < self._commit_s
        return 0 if is_disk_slower else self.sender.max_ahead // 2

    @property
    def _is_sending_stopped(self) -> bool:
        return self._silence >= MAX_SILENCE or self.books.report.over_limit

    def _stage(self) -> None:
        """Plan the next requests and commit their intents together, then send them (rule 12).

        Only what is about to be sent is committed, so a kill leaves at most ``max_ahead`` writes
        in doubt.
        """
        staged = []
        while (
            self.queues.has_ready
            and not self._is_sending_stopped
            and len(self._in_flight) < self.sender.max_ahead
        ):
            queue = self.queues.next_ready()
            if request := self.decider.next_request(queue, is_at_end=self._is_at_end):
                staged.append(self._commit_to(queue, request))
            elif queue.state is RowState.BEHIND:
                self._behind.append(queue)
            elif queue.is_done:
                self.queues.drop(queue)
        if staged:
            # Everything recorded from now on belongs to the next commit, which waits for this one.
            self.sender.start()
            self.books.commit_then(partial(self._send, staged, time.monotonic()))

    def _send(
        self,
        staged: list[Shipment],
        started: float,
        is_committed: bool,  # noqa: FBT001 - as `commit_then` passes it
    ) -> None:
        """Send requests once they are committed. Called by the thread that commits.

        Meanwhile, the thread of the run records responses.
        """
        self._commit_s = time.monotonic() - started
        if is_committed:
            self.sender.send(staged)
        else:  # the run ends with the error as soon as its thread uses the journal
            self.sender.withdraw(staged)

    def _commit_to(self, queue: RowQueue, request: NextRequest) -> Shipment:
        """Record an intent; the next commit makes it durable."""
        desired, (seen, known, _), step, overlaps = request
        row = seen.row if seen else None
        # Where lists hide externalId, only these digests can recognise the new booking (rule 21).
        who = self.locator.identity_of(desired) if step.effect is Effect.CREATE else Identity()
        entry = self.keeper.intend(desired, known, row, step, who)
        queue.start(entry.key, step, overlaps)
        ticket = next(self._tickets)
        self._in_flight[ticket] = queue, entry
        return Shipment(ticket, queue.stream, step, entry.remote_id, desired.external_id)

    def _record(self, result: Result) -> None:
        """Record the result of a request.

        Raises:
            BookioError: the failure affects every record.
        """
        queue, entry = self._in_flight.pop(result.ticket)
        self.clock.hear(result.server_time_ms)
        if isinstance(result.error, OutcomeUnknownError):
            # Only a record's first failure counts: one that fails repeatedly is no outage.
            self._silence += queue.sent == 0
        elif result.was_sent:
            self._silence = 0
        self.decider.answered(queue, entry, result)
        self.answers.record(queue, entry, result)
        while self._behind:
            self.queues.make_ready(self._behind.pop())

    def _end_silence(self, *, found: bool) -> None:
        """After a silence, continue if a lookup shows that writes arrive; else end the run."""
        if self._silence < MAX_SILENCE:
            return
        if not found:
            doubts = sum(queue.state is RowState.IN_DOUBT for queue in self.queues)
            msg = (
                f"stopped: {doubts} writes got no answer, and no list shows any of them yet; they "
                "are in the journal, run again when Bookio answers"
            )
            raise TransportError(msg)
        self._silence = 0
