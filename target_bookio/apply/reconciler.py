"""Carries records out, effectively once: start here.

A batch is refreshed (once a run), planned row by row, committed, sent, and noted. Records of one
row go one after another, each planned on what the one before it left; rows go in parallel. A row
that cannot go on yet (its write is in doubt, lists may be late, its record may be its past) waits,
the others go on, and the run waits at its end, STATE with it. docs/design/write-back.md has the
rules that the comments name.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from bookio_api.contract import BLOCKED_TIMES, RESERVATIONS
from bookio_api.errors import (
    DuplicateError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    TransportError,
    UnknownPathError,
)
from target_bookio.apply.overlaps import Overlaps
from target_bookio.apply.reporter import TWO_ROWS_MESSAGE, Reporter, changes_of
from target_bookio.apply.resolver import Finding
from target_bookio.apply.row_queue import RowQueue, RowState
from target_bookio.apply.sender import Result, Shipment
from target_bookio.desired import RecordError, read_record
from target_bookio.plan.operations import Effect, Step
from target_bookio.plan.planner import PlanKind
from target_bookio.refresh.refresher import Hold
from target_bookio.reporting.outcome import Reason
from target_bookio.settings import OnOverlap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from bookio_api.facilities import Facilities
    from target_bookio.apply.bookkeeper import Bookkeeper
    from target_bookio.apply.locator import Located, Locator
    from target_bookio.apply.resolver import Resolver
    from target_bookio.apply.sender import Sender
    from target_bookio.desired import Desired
    from target_bookio.journal.entry import Entry
    from target_bookio.journal.store import Journal
    from target_bookio.plan.planner import Planner
    from target_bookio.refresh.mirror import Mirror
    from target_bookio.refresh.refresher import Refresher
    from target_bookio.refresh.server_clock import ServerClock
    from target_bookio.reporting.report import Report

logger = logging.getLogger(__name__)

WRITTEN_STREAMS = (RESERVATIONS, BLOCKED_TIMES)
"""Streams whose rows have a number of ours."""
MAX_SILENCE = 10
"""So many writes in a row without a clear answer, and no more is sent until a look tells."""
MAX_SENT = 3
"""How often one record may be sent without a clear outcome."""
MAX_PAUSE_S = 30
"""The longest pause between two looks at a doubt."""

HELD_MESSAGE = "another reservation has this externalId already; look which of them it belongs to"
IN_DOUBT_MESSAGE = (
    "no answer came and the lists do not tell whether it was applied; it will not be sent again: "
    "look for it in Bookio"
)
FAILING_MESSAGE = (
    f"Bookio failed on it {MAX_SENT} times and does not have it; try again later, "
    "or ask Bookio about it"
)
DUPLICATE_MESSAGE = (
    "Bookio says that it holds this reservation, but lists none with this externalId"
)
OVERLAP_MESSAGE = (
    "it overlaps with bookings, and on_overlap is reject; move one of them, or write it with warn"
)
UNSEEN_MESSAGE = (
    "it was written from here, but Bookio's list shows neither its id nor an externalId, so it "
    "cannot be found again: change it in Bookio"
)


class Books(NamedTuple):
    """Where a run reads what is known, and notes what it does."""

    journal: Journal
    mirror: Mirror
    bookkeeper: Bookkeeper
    report: Report
    commit: Callable[[], None]
    """Puts the report and the books on the disk."""


class Reconciler:
    """Delivers the records of one run. All its state is changed by the run's thread."""

    def __init__(
        self,
        *,
        books: Books,
        facilities: Facilities,
        refresher: Refresher,
        locator: Locator,
        resolver: Resolver,
        sender: Sender,
        planner: Planner,
        clock: ServerClock,
        settings: Mapping[str, Any],
        pause: Callable[[float], None],
    ) -> None:
        """Take what the run consists of; ``pause`` waits for so many seconds."""
        self._books = books
        self._journal, self._mirror, self._keeper, self._report, self._commit = books
        self._facilities = facilities
        self._refresher = refresher
        self._reporter = Reporter(self._report)
        self._locator = locator
        self._resolver = resolver
        self._sender = sender
        self._planner = planner
        self._clock = clock
        self._dry_run = settings["dry_run"]
        self._overlaps = Overlaps(books.mirror, self._refresh, OnOverlap(settings["on_overlap"]))
        self._pause = pause
        self._refreshed: set[str] = set()
        self._looked_elsewhere: set[str] = set()
        self._live: dict[RowQueue, None] = {}
        """Queues that are not done, in the order in which they began."""
        self._by_name: dict[tuple[str, str], RowQueue] = {}
        self._ready: deque[RowQueue] = deque()
        self._in_flight: dict[int, tuple[RowQueue, Entry]] = {}
        """What was committed and has no result yet, by ticket."""
        self._tickets = count(1)
        self._places = count()
        self._silence = 0
        self._is_at_end = False
        self._twice: dict[str, set[int]] = {}
        """Numbers that two rows have, and that no record was rejected for yet."""

    @property
    def is_settled(self) -> bool:
        """Whether nothing waits, so that a STATE may pass."""
        return not self._live

    def start(self) -> None:
        """Look what became of the writes that an earlier run left without an outcome."""
        left_over = self._journal.in_doubt()
        now = self._clock.now_ms()
        for known in left_over:
            entry = known
            assert entry.intent is not None, "the journal returns doubts only"
            # A kill left no end of the attempt, and a clock that went back a wrong one (rule 2).
            if not 0 < entry.intent.ended_at <= now or not self._clock.is_known:
                entry = self._keeper.doubt(entry)
            queue = RowQueue(entry.stream, entry.names)
            queue.inherit_doubt(entry.key)
            self._watch(entry)
            self._register(queue)
        if not left_over:
            return
        self._commit()
        logger.info(
            "looking up %d writes that an earlier run left without an answer", len(left_over)
        )
        for stream in dict.fromkeys(entry.stream for entry in left_over):
            self._refresh(stream)
        self._judge_all()
        self._drop_done()
        self._commit()

    def deliver(self, stream: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Carry out records of one stream, as far as they can be by now.

        Raises:
            BookioError: the run cannot go on; what was not settled is in the journal.
        """
        readable = self._readable(stream, records)
        if readable:
            self._refresh(stream)
        self._locator.load(stream, readable)
        for desired in readable:
            self._enqueue(desired)
        self._work()
        self._commit()
        self._report.check_limits()

    def finish(self) -> None:
        """Carry out what waited for the end of the input, and wait for what is in doubt.

        Raises:
            BookioError: the run cannot go on; what was not settled is in the journal.
        """
        self._is_at_end = True
        for queue in self._live:
            if queue.state is RowState.PARKED:
                self._make_ready(queue)
        self._work()
        pause_s = 1.0
        while self._live:
            self._commit()
            waits_ms = max(0, min(map(self._wake_at, self._live)) - self._clock.now_ms())
            logger.info(
                "%d rows wait until it is known what became of their writes; see "
                "resend_after_seconds; looking again in %.0f s",
                len(self._live),
                min(waits_ms / 1000, pause_s),
            )
            self._pause(min(waits_ms / 1000, pause_s))
            pause_s = min(2 * pause_s, MAX_PAUSE_S)
            self._look(self._live)
            self._work()
        self._report_twice()
        self._commit()
        self._report.check_limits()

    def land(self, results: Iterable[Result]) -> None:
        """Note what came of requests that were on their way when the run was stopped."""
        for result in results:
            queue, entry = self._in_flight.pop(result.ticket)
            if result.error is None and result.was_sent and queue.plan is not None:
                self._answered(queue, entry, result)
            elif isinstance(result.error, OutcomeUnknownError):
                self._keeper.doubt(entry)
            else:
                self._keeper.take_back(entry)

    # Reading and grouping ------------------------------------------------------------------------

    def _readable(self, stream: str, records: Iterable[Mapping[str, Any]]) -> list[Desired]:
        """Return what records ask for, less those that are rejected for how they say it."""
        readable = []
        for record in records:
            try:
                desired = self._checked(read_record(stream, record))
                readable.append(replace(desired, place=next(self._places)))
            except RecordError as error:
                self._reporter.unreadable(stream, record, error)
        return readable

    def _checked(self, desired: Desired) -> Desired:
        seen = [facility.id for facility in self._facilities.in_scope]
        if None not in seen and desired.facility_id not in {None, *seen}:
            msg = "facilityId: not a facility that the token sees, or that facility_ids names"
            raise RecordError(msg, ("facilityId",))
        return desired

    def _refresh(self, stream: str) -> None:
        """Bring the mirror up to date, once a run."""
        if stream not in self._refreshed:
            self._refreshed.add(stream)
            self._refresher.refresh(stream)
            self._locator.refreshed(stream)
            self._twice[stream] = set(self._mirror.duplicates(stream))

    def _enqueue(self, desired: Desired) -> None:
        """Let a record wait behind those of its row."""
        names = self._locator.names(desired)
        queues = {self._by_name[desired.stream, name]: None for name in names
                  if (desired.stream, name) in self._by_name}  # fmt: skip
        if not queues:
            queue = RowQueue(desired.stream, names)
            queue.add(desired, names)
            self._register(queue)
            self._ready.append(queue)
            return
        # A record with both numbers of a row joins the queues of either; a busy one goes on.
        queue, *others = sorted(queues, key=lambda queue: queue.state is RowState.READY)
        for other in others:
            if other.state in {RowState.READY, RowState.PARKED}:
                queue.absorb(other)
                del self._live[other]
        queue.add(desired, names)
        self._register(queue)
        if queue.state is RowState.PARKED:  # what waits is its past: a later record came (rule 11)
            self._make_ready(queue)
        elif queue.state is RowState.READY and queue not in self._ready:
            self._ready.append(queue)

    def _register(self, queue: RowQueue) -> None:
        self._live[queue] = None
        self._by_name.update(dict.fromkeys(((queue.stream, name) for name in queue.names), queue))

    def _make_ready(self, queue: RowQueue) -> None:
        queue.ready()
        self._ready.append(queue)

    # Planning and sending ------------------------------------------------------------------------

    def _work(self) -> None:
        """Plan, send and note, until every row is done or waits for something."""
        while True:
            self._send_ready()
            fresh = [queue for queue in self._live if queue.needs_look]
            if not fresh:
                break
            found = self._look(fresh)
            self._check_silence(found=found)
        self._drop_done()

    def _send_ready(self) -> None:
        """Send what can be sent now; all answers are in when this returns."""
        while self._ready or self._in_flight:
            if len(self._in_flight) <= self._sender.max_ahead // 2:
                self._stage()
            if not self._in_flight:
                if self._is_stopped():
                    break
                continue
            for result in self._sender.receive():
                self._note(result)
        self._report.check_limits()

    def _is_stopped(self) -> bool:
        return self._silence >= MAX_SILENCE or self._report.over_limit

    def _stage(self) -> None:
        """Plan the next requests and commit their intents together, then send them (rule 12).

        Only what is about to be sent is committed, so a kill leaves no more of it in doubt.
        """
        staged = []
        while (
            self._ready
            and not self._is_stopped()
            and (len(self._in_flight) < self._sender.max_ahead)
        ):
            queue = self._ready.popleft()
            if shipment := self._advance(queue):
                staged.append(shipment)
            elif queue.is_done:
                self._drop(queue)
        if staged:
            self._commit()
            for shipment in staged:
                self._sender.send(shipment)

    def _check_silence(self, *, found: bool) -> None:
        if self._silence < MAX_SILENCE:
            return
        if not found:
            doubts = sum(queue.state is RowState.IN_DOUBT for queue in self._live)
            msg = (
                f"stopped: {doubts} writes got no answer and none of them arrived; the "
                "journal knows them, run again when Bookio answers"
            )
            raise TransportError(msg)
        self._silence = 0

    def _advance(self, queue: RowQueue) -> Shipment | None:
        """Settle a row's records until one needs a request; ``None`` if none does, or it waits."""
        while queue.waiting:
            desired = queue.current
            wish = self._keeper.wish_of(desired)
            located = self._locator.locate(desired)
            if self._is_past(queue, located, wish):
                if len(queue.waiting) == 1:
                    queue.park()
                    return None
                self._reporter.done(queue)
                continue
            if located.entry and located.entry.intent is not None:
                # The only guard against a second creation: no list tells whether it arrived.
                self._reporter.reject(queue, IN_DOUBT_MESSAGE, reason=Reason.IN_DOUBT)
                continue
            if self._waits(queue, located):
                return None
            step = self._decide(queue, located, wish)
            if step is not None:
                return self._ship(queue, located, step, wish)
        return None

    def _is_past(self, queue: RowQueue, located: Located, wish: str) -> bool:
        """Whether a record equals a settled one that others followed (rule 11).

        A stream that is sent again goes through a row's past: to do so once more would undo what
        came of it and tell the patient twice. If nothing follows it to the end of the input, then
        it is what the source wants now.
        """
        past = located.entry.past if located.entry else ()
        is_echo = wish in past[:-1] and past[-1] != wish and not queue.operations
        return is_echo and not (self._is_at_end and len(queue.waiting) == 1)

    def _waits(self, queue: RowQueue, located: Located) -> bool:
        """Whether a row must wait for a list; its queue is held then (rules 6 and 14)."""
        if self._dry_run:
            return False
        entry, seen = located.entry, located.seen
        row_id = seen.id if seen else entry.remote_id if entry else None
        hold = self._refresher.holds.get((queue.stream, row_id)) if row_id is not None else None
        if hold is None and seen is None and entry is not None and entry.was_created_here:
            # It was created, and no list shows it: within its window the lists may be late.
            until = entry.written_at + self._resolver.resend_after_ms
            if self._refresher.full_scan_at(queue.stream, None) < until:
                hold = Hold(entry.facility_id, until, needs_full_scan=True)
        if hold is None:
            return False
        if seen is None and queue.looks == 0:
            queue.unlisted()
        else:
            queue.hold(hold.until_ms)
        return True

    def _decide(self, queue: RowQueue, located: Located, wish: str) -> Step | None:
        """Plan a row's first record; settle it unless a request is needed, which is returned."""
        desired, row = queue.current, located.seen.row if located.seen else None
        facility = desired.facility_id or (row or {}).get("facilityId")
        try:
            is_nowhere = facility is None and row is None  # the planner refuses it
            desired = desired.in_zone(
                self._facilities.time_zone(facility),
                is_known=is_nowhere or self._facilities.knows_zone(facility),
            )
        except RecordError as error:
            self._reporter.reject(queue, str(error), fields=error.fields)
            return None
        if located.duplicates and not desired.deleted:
            self._twice[queue.stream].discard(desired.external_id or 0)
            self._reporter.reject(
                queue, TWO_ROWS_MESSAGE, fields=("externalId",), reason=Reason.DUPLICATE
            )
            return None
        plan = self._planner.plan(desired, row, located.entry)
        queue.note_plan(plan, desired)
        if plan.kind is PlanKind.UNCHANGED or (plan.kind is PlanKind.REJECT and queue.operations):
            self._keeper.agree(desired, located.entry, row, wish, plan)
            self._reporter.done(queue, (row or {}).get("id"))
        elif plan.kind is PlanKind.REJECT:
            self._reporter.reject(queue, plan.message, fields=plan.fields)
        elif plan.kind is PlanKind.CONFLICT:
            self._keeper.dispute(desired, located.entry, row, plan)
            self._reporter.conflict(queue, plan, row)
        else:
            return self._checked_step(queue, located, plan.steps[0])
        return None

    def _checked_step(self, queue: RowQueue, located: Located, step: Step) -> Step | None:
        """Return a request that nothing but the row itself speaks against."""
        desired, entry = queue.current, located.entry
        row_id = located.seen.id if located.seen else None
        if step.effect is Effect.SYNC and self._locator.holder(desired, row_id) is not None:
            self._reporter.reject(queue, HELD_MESSAGE, fields=("externalId",))
            return None
        if step.effect is Effect.CREATE:
            blind = self._locator.is_blind(queue.stream)
            if blind and entry is not None and entry.was_created_here:
                self._reporter.reject(queue, UNSEEN_MESSAGE)
                return None
            if self._found_elsewhere(queue) or (blind and self._adopted(queue)):
                return None
        if queue.sent >= MAX_SENT:
            self._reporter.reject(queue, FAILING_MESSAGE, reason=Reason.REFUSED)
            return None
        row = located.seen.row if located.seen else None
        found = self._overlaps.of(queue.desired or desired, row, step)
        if found and self._overlaps.on_overlap is OnOverlap.REJECT:
            self._reporter.reject(queue, OVERLAP_MESSAGE, reason=Reason.OVERLAP, overlaps=found)
            return None
        queue.overlaps = found or queue.overlaps
        return step

    def _found_elsewhere(self, queue: RowQueue) -> bool:
        """Look in the facilities out of scope, once, before anything is created."""
        others = self._facilities.out_of_scope
        if not others or queue.stream in self._looked_elsewhere:
            return False
        self._looked_elsewhere.add(queue.stream)
        self._refresher.refresh(queue.stream, others)
        return self._locator.locate(queue.current).seen is not None

    def _adopted(self, queue: RowQueue) -> bool:
        """Take over a row that is this very booking, where lists hide numbers (rule 24)."""
        twin = self._locator.unowned_twin(queue.desired or queue.current)
        if twin is not None:
            self._keeper.adopt(queue.current, twin)
        return twin is not None

    def _ship(self, queue: RowQueue, located: Located, step: Step, wish: str) -> Shipment:
        seen, desired = located.seen, queue.desired or queue.current
        row = seen.row if seen else None
        entry = self._keeper.intend(desired, located.entry, row, step, wish)
        queue.start(entry.key, step)
        ticket = next(self._tickets)
        self._in_flight[ticket] = queue, entry
        number = desired.external_id
        return Shipment(ticket, queue.stream, step, entry.remote_id, number)

    # Outcomes ------------------------------------------------------------------------------------

    def _note(self, result: Result) -> None:
        """Note what came of a request.

        Raises:
            BookioError: what fails here fails for every record.
        """
        queue, entry = self._in_flight.pop(result.ticket)
        self._clock.hear(result.server_time_ms)
        error, step = result.error, queue.step
        if not result.was_sent:
            self._keeper.take_back(entry)
            return
        if isinstance(error, OutcomeUnknownError):
            self._silence += queue.sent == 0  # a row that fails again and again is no silence
            self._watch(self._keeper.doubt(entry))
            queue.doubt()
            return
        self._silence = 0
        removes = step is not None and step.effect is Effect.REMOVE
        creates = step is not None and step.effect is Effect.CREATE
        if error is None or (removes and isinstance(error, NotFoundError)):
            self._answered(queue, entry, result)
            self._ready.append(queue)
        elif (removes and isinstance(error, UnknownPathError)) or (
            creates and isinstance(error, DuplicateError)
        ):
            self._watch(entry)
            queue.verify(error)
        elif isinstance(error, NotFoundError) and not creates:
            # Nobody but the list can see a removal, so this is how it is noticed (rule 17).
            self._keeper.removed(entry, forget_id=self._planner.source_wins)
            if queue.current.id is not None:
                self._reporter.refused(queue, error)
            self._make_ready(queue)
        elif isinstance(error, RefusedError):
            self._keeper.take_back(entry)
            self._reporter.refused(queue, error)
            self._make_ready(queue)
        else:
            self._keeper.take_back(entry)
            raise error

    def _answered(self, queue: RowQueue, entry: Entry, result: Result) -> None:
        """Note a request that was carried out."""
        assert queue.step is not None, "only what was started can be answered"
        desired = queue.desired or queue.current
        known_id = None if queue.step.effect is Effect.CREATE else result.row_id
        old = None if known_id is None else self._mirror.get(queue.stream, known_id)
        changes = changes_of(queue.step, old.row if old else {})
        confirmed = self._keeper.answered(entry, queue.step, result.row_id, desired)
        is_last = queue.plan is None or len(queue.plan.steps) == 1
        queue.step_done(changes)
        if is_last:
            wish = self._keeper.wish_of(queue.current)
            self._keeper.settle(confirmed, wish)
            self._reporter.done(queue, result.row_id)

    def _watch(self, entry: Entry) -> None:
        if entry.remote_id is not None:
            self._refresher.watch(entry.stream, entry.remote_id)

    # Looking -------------------------------------------------------------------------------------

    def _wake_at(self, queue: RowQueue) -> int:
        """Return Bookio's time from when a look can bring a decision."""
        if queue.state is RowState.IN_DOUBT:
            entry = self._keeper.entry(queue.stream, queue.key)
            assert entry.intent is not None, "a queue in doubt has an intent"
            return self._resolver.deadline(entry.intent)
        return queue.wake_at

    def _look(self, queues: Iterable[RowQueue]) -> bool:
        """Refresh what these rows wait for, and judge; True if a write was found to be done."""
        now = self._clock.now_ms()
        full: dict[str, bool] = {}
        for queue in queues:
            queue.looked()
            is_due = self._wake_at(queue) <= now and queue.state is not RowState.UNLISTED
            is_asked = queue.state is RowState.VERIFYING or is_due
            full[queue.stream] = full.get(queue.stream, False) or is_asked
        for stream, whole in full.items():
            self._refresher.refresh(stream, full=whole)
            self._locator.refreshed(stream)
        return self._judge_all()

    def _judge_all(self) -> bool:
        """Judge every row that waits for a list; True if a write was found to be done."""
        found = False
        for queue in list(self._live):
            if queue.state is RowState.IN_DOUBT:
                found |= self._judge_doubt(queue)
            elif queue.state is RowState.VERIFYING:
                self._judge_answer(queue)
            elif queue.state in {RowState.HELD, RowState.UNLISTED}:
                self._make_ready(queue)
        return found

    def _judge_doubt(self, queue: RowQueue) -> bool:
        """Decide by what the lists show of a write in doubt; True if it was done."""
        entry = self._keeper.entry(queue.stream, queue.key)
        verdict = self._resolver.resolve(entry)
        finding = verdict.finding
        if finding is Finding.OPEN and self._dry_run:
            finding = Finding.NOT_LANDED  # what the run will find once it has waited
        if finding is Finding.OPEN:
            return False
        if finding is Finding.LANDED:
            self._keeper.found(entry, verdict.row_id, by_value=verdict.by_value)
            if verdict.by_value and verdict.row_id is not None and entry.intent is not None:
                ended_at = entry.intent.ended_at
                self._refresher.quarantine(
                    queue.stream, verdict.row_id, entry.facility_id, ended_at
                )
            self._found(queue, verdict.row_id)
        elif finding is Finding.NOT_LANDED:
            self._keeper.take_back(entry)
            if queue.waiting and queue.step is not None:
                self._report.retried()
            queue.ready()
        else:
            self._keeper.untellable(entry)
            if queue.waiting:
                self._reporter.reject(queue, IN_DOUBT_MESSAGE, reason=Reason.IN_DOUBT)
            queue.ready()
        self._ready.append(queue)
        return finding is Finding.LANDED

    def _found(self, queue: RowQueue, row_id: int | None) -> None:
        """Note for the record, if this run has it, that its request was carried out."""
        if queue.step is None or not queue.waiting:
            queue.ready()
            return
        is_last = queue.plan is None or len(queue.plan.steps) == 1
        queue.step_done(())
        if is_last:
            self._reporter.done(queue, row_id)

    def _judge_answer(self, queue: RowQueue) -> None:
        """Decide by the lists whether an answer (a duplicate, an unknown path) told the truth."""
        entry, error = self._keeper.entry(queue.stream, queue.key), queue.error
        assert error is not None, "what is verified is an answer"
        if isinstance(error, DuplicateError):
            self._keeper.take_back(entry)
            queue.ready()
            if self._locator.locate(queue.current).seen is None:
                self._reporter.reject(queue, DUPLICATE_MESSAGE, error=error)
        elif not self._resolver.is_gone(entry):
            self._keeper.take_back(entry)
            raise error
        else:
            self._answered(queue, entry, Result(0, entry.remote_id))
        self._ready.append(queue)

    def _report_twice(self) -> None:
        """Report the numbers of ours that two rows have, whether a record came or not (rule 19)."""
        for stream in WRITTEN_STREAMS:
            if stream not in self._refreshed and self._mirror.duplicates(stream):
                self._refresh(stream)
        for stream, numbers in self._twice.items():
            for number in sorted(numbers):
                self._reporter.two_rows(stream, number)
            numbers.clear()

    def _drop(self, queue: RowQueue) -> None:
        self._live.pop(queue, None)
        for name in queue.names:
            self._by_name.pop((queue.stream, name), None)

    def _drop_done(self) -> None:
        for queue in [queue for queue in self._live if queue.is_done]:
            self._drop(queue)
