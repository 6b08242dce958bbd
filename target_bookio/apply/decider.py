"""Decides what a row's first record needs: a request, a wait, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from bookio_api.contract import CALENDARS
from bookio_api.errors import OutcomeUnknownError
from target_bookio.apply import messages
from target_bookio.apply.row_queue import RowState
from target_bookio.desired import RecordError
from target_bookio.effects import Effect
from target_bookio.plan import history
from target_bookio.plan.plan import PlanKind
from target_bookio.refresh.holds import Hold
from target_bookio.refresh.mirror import ListedNumber
from target_bookio.reporting.outcome import Reason
from target_bookio.settings import OnOverlap

if TYPE_CHECKING:
    from bookio_api.facilities import Facilities
    from target_bookio.apply.bookkeeper import Bookkeeper
    from target_bookio.apply.freshness import Freshness
    from target_bookio.apply.locator import Located, Locator
    from target_bookio.apply.overlaps import Overlaps
    from target_bookio.apply.reporter import Reporter
    from target_bookio.apply.row_queue import RowQueue
    from target_bookio.apply.sender import Result
    from target_bookio.desired import Desired
    from target_bookio.journal.entry import Entry
    from target_bookio.plan.operations import Row, Step
    from target_bookio.plan.planner import Planner
    from target_bookio.refresh.refresher import Refresher


class NextRequest(NamedTuple):
    """The request that a row's first record needs next."""

    desired: Desired
    """The record with its facility's wall times."""
    located: Located
    step: Step
    overlaps: tuple[str, ...] = ()
    """Keys of the bookings with which the request overlaps."""


@dataclass(frozen=True, kw_only=True)
class Decider:
    """Decides for the rows of one run; it sends nothing."""

    facilities: Facilities
    freshness: Freshness
    refresher: Refresher
    locator: Locator
    planner: Planner
    overlaps: Overlaps
    keeper: Bookkeeper
    reporter: Reporter
    dry_run: bool

    def next_request(self, queue: RowQueue, *, is_at_end: bool) -> NextRequest | None:
        """Return the next request for a row, after finishing the records that need none.

        ``None`` if no record is left, or if the first one must wait.
        """
        while queue.waiting and queue.state is RowState.READY:
            located = self.locator.locate(queue.current)
            is_repeated = _is_repeated(queue, located)
            # Rule 11: the record may be history, if later ones for the row follow.
            if is_repeated and len(queue.waiting) == 1 and not is_at_end:
                queue.park()
                return None
            if is_repeated and _is_history(queue, located):
                self.reporter.done(queue)
            # The lists of other facilities are not up to date, and nothing may be written there.
            elif self._is_out_of_scope(located):
                self.reporter.reject(queue, messages.OUT_OF_SCOPE, fields=("facilityId",))
            # Rules 15 and 23: whether an earlier creation arrived cannot be determined. Its intent
            # stays in the journal, so that no record ever sends it again.
            elif located.entry and located.entry.intent is not None:
                self.reporter.reject(queue, messages.IN_DOUBT, reason=Reason.IN_DOUBT)
            # Rules 6 and 14: the row's current state is unknown. A new row without an id is looked
            # up at once, any other waits until the end of its hold.
            elif hold := self._hold_of(queue, located):
                if located.seen is None and queue.looks == 0:
                    queue.unlisted()
                else:
                    queue.hold(hold.until_ms)
                return None
            elif request := self._decide(queue, located):
                return request
        return None

    def _is_out_of_scope(self, located: Located) -> bool:
        """Whether a row is at a facility that this run must not change."""
        row, entry = located.seen.row if located.seen else {}, located.entry
        facility = row.get("facilityId") or (entry.facility_id if entry else None)
        return facility is not None and not self.facilities.is_in_scope(facility)

    def _hold_of(self, queue: RowQueue, located: Located) -> Hold | None:
        """Return why a row must wait for a list (rules 6 and 14)."""
        entry, seen = located.entry, located.seen
        row_id = seen.id if seen else entry.remote_id if entry else None
        if self.dry_run:
            return None
        if row_id is not None and (hold := self.refresher.holds.of(queue.stream, row_id)):
            return hold
        if seen is None and entry is not None and entry.was_created_here:
            # We created the row, and no list shows it. Within its window the lists may be late;
            # a full scan after that shows that somebody removed it.
            until = entry.written_at + self.refresher.resend_after_ms
            scanned = self.refresher.full_scan_at(queue.stream, None)
            if scanned is None or scanned.server_ms < until:
                return Hold(entry.facility_id, until, needs_full_scan=True)
        return None

    def _decide(self, queue: RowQueue, located: Located) -> NextRequest | None:
        """Plan a row's first record, and finish it if it needs no request."""
        row = located.seen.row if located.seen else None
        try:
            desired = self._in_its_zone(queue.current, row)
        except RecordError as error:
            self.reporter.reject(queue, str(error), fields=error.fields)
            return None
        if located.duplicates and not desired.deleted:
            self._reject_duplicates(queue, desired)
            return None
        plan = self.planner.plan(desired, row, located.entry)
        queue.note_plan(plan, desired)
        match plan.kind:
            case PlanKind.WRITE:
                return self._checked(queue, NextRequest(desired, located, plan.steps[0]))
            case PlanKind.CONFLICT:
                self.keeper.dispute(desired, located.entry, row, plan)
                self.reporter.conflict(queue, plan, row)
            case PlanKind.REJECT if not queue.operations:
                self.reporter.reject(queue, plan.message, fields=plan.fields)
            # It may be in a facility out of scope: then it is not "unchanged" but out of reach.
            case PlanKind.UNCHANGED if (
                row is None and located.entry is None and self._is_found_elsewhere(queue)
            ):
                return None
            case PlanKind.UNCHANGED if row is None and not self._is_absent(queue, desired, located):
                pass  # it was rejected, or is planned again with the row that was found
            case PlanKind.UNCHANGED | PlanKind.REJECT:
                # A reject after a request can only be about fixed fields: the rest was written.
                self.keeper.agree(desired, located.entry, row, plan)
                self.reporter.done(queue, (row or {}).get("id"))
        return None

    def _reject_duplicates(self, queue: RowQueue, desired: Desired) -> None:
        """Reject a record whose ``externalId``, or calendar name, several rows have (rule 19)."""
        name, message = "externalId", messages.TWO_ROWS
        if queue.stream == CALENDARS:
            name, message = "name", messages.TWO_CALENDARS
        self.freshness.duplicate_reported(queue.stream, desired.external_id)
        self.reporter.reject(queue, message, fields=(name,), reason=Reason.DUPLICATE)

    def _in_its_zone(self, desired: Desired, row: Row | None) -> Desired:
        """Return a record with the wall times of its facility, or raise ``RecordError``."""
        if desired.facility_id is not None or row is None:
            return desired  # `Intake` has converted it, or the planner rejects it
        facility = row.get("facilityId")
        is_known = self.facilities.knows_zone(facility)
        return desired.in_zone(self.facilities.time_zone(facility), is_known=is_known)

    def _checked(self, queue: RowQueue, request: NextRequest) -> NextRequest | None:
        """Return the request, unless something about the row prevents it.

        Then the record was rejected, or a lookup has found the row that was to be created; the
        caller continues with the row's next record, or plans this one from scratch.
        """
        desired, located, step = request.desired, request.located, request.step
        row = located.seen.row if located.seen else None
        row_id = located.seen.id if located.seen else None
        if step.effect is Effect.SYNC and self.locator.holder(desired, row_id) is not None:
            self.reporter.reject(queue, messages.TAKEN, fields=("externalId",))
            return None
        if step.effect is Effect.CREATE and not self._may_create(queue, request):
            return None
        if queue.sent >= messages.MAX_SENT:
            self.reporter.reject(queue, messages.FAILING, reason=Reason.REFUSED)
            return None
        found = self.overlaps.of(desired, row, step)
        if found and self.overlaps.on_overlap is OnOverlap.REJECT:
            # Bookio may refuse the other booking: only its response decides about this one.
            if self.overlaps.is_open(found):
                queue.wait_for_another()
                return None
            reason = Reason.OVERLAP
            self.reporter.reject(queue, messages.OVERLAP, reason=reason, overlaps=found)
            return None
        return request._replace(overlaps=found)

    def _is_absent(self, queue: RowQueue, desired: Desired, located: Located) -> bool:
        """Whether the row that a record cancels or removes really does not exist (rule 24)."""
        entry = located.entry
        is_known = entry is not None and (entry.was_created_here or entry.remote_id is not None)
        if is_known or desired.id is not None or not self.locator.is_blind(queue.stream):
            return True
        # 1. With a lost journal, an unowned row may be exactly this booking.
        twin = self.locator.unowned_twin(desired)
        if twin is not None and twin.listed_number is ListedNumber.LEFT_OUT:
            self.keeper.adopt(desired, twin)
            return False
        # 2. Or the record does not have all the fields that would recognise its row.
        if twin is not None or self.locator.may_be_hidden(desired):
            self.reporter.reject(queue, messages.HIDDEN)
            return False
        return True

    def answered(self, queue: RowQueue, entry: Entry, result: Result) -> None:
        """Take note of a response: what Bookio refused overlaps with nothing."""
        assert queue.desired is not None, "only what was planned can be answered"
        is_unknown = isinstance(result.error, OutcomeUnknownError)
        was_refused = not result.was_sent or (result.error is not None and not is_unknown)
        self.overlaps.answered(queue.desired, entry.remote_id, was_refused=was_refused)

    def _may_create(self, queue: RowQueue, request: NextRequest) -> bool:
        """Whether the row really does not exist."""
        desired, entry = request.desired, request.located.entry
        # 1. We created it, but the lists show neither our externalId nor its id: perhaps it exists.
        is_blind = self.locator.is_blind(queue.stream)
        if is_blind and entry is not None and entry.was_created_here:
            self.reporter.reject(queue, messages.UNSEEN)
            return False
        # 2. It may be in a facility out of scope.
        if self._is_found_elsewhere(queue):
            return False
        # 3. Rule 24: where lists hide externalId, an unowned row may be exactly this booking.
        twin = self.locator.unowned_twin(desired) if is_blind else None
        if twin is not None:
            self.keeper.adopt(desired, twin)
            return False
        if is_blind and self.locator.may_be_cancelled(desired):
            self.reporter.reject(queue, messages.MAY_BE_CANCELLED)
            return False
        return True

    def _is_found_elsewhere(self, queue: RowQueue) -> bool:
        """Whether the facilities out of scope, which are read once, have the first record's row.

        The caller then decides about the record again.
        """
        is_new = self.freshness.look_elsewhere(queue.stream)
        return is_new and self.locator.locate(queue.current).seen is not None


def _is_repeated(queue: RowQueue, located: Located) -> bool:
    """Whether a row's first record equals an earlier one of the row (rule 11)."""
    if located.entry is None or queue.operations:
        return False
    return history.may_be_history(located.entry, queue.current.wish)


def _is_history(queue: RowQueue, located: Located) -> bool:
    """Whether the records that follow a repeated one show that it is history."""
    assert located.entry is not None, "only a row with an entry has a history"
    return history.is_history(located.entry.past, queue.current, islice(queue.waiting, 1, None))
