"""Carries a batch of records out: look up, decide, send, settle.

Records of one row go one after another; rows go in parallel. The next record of a row is decided
only when the one before it is settled.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bookio_api.errors import ContractError
from target_bookio.apply import outcomes
from target_bookio.apply.outcomes import in_doubt
from target_bookio.apply.resolver import IN_DOUBT_MESSAGE
from target_bookio.apply.row_queue import Work
from target_bookio.desired import RecordError, read_record
from target_bookio.journal.store import IN_DOUBT
from target_bookio.plan import operations
from target_bookio.plan.operations import SYNC
from target_bookio.plan.planner import CONFLICT, REJECT, UNCHANGED, Plan, plan
from target_bookio.refresh import lookup as reconcile
from target_bookio.reporting.outcome import Outcome, OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from bookio_api.facilities import Facilities
    from target_bookio.apply.resolver import Settler
    from target_bookio.apply.row_queue import Ledger
    from target_bookio.apply.sender import Sender
    from target_bookio.desired import Desired
    from target_bookio.plan.operations import Row
    from target_bookio.refresh.lookup import Lookup
    from target_bookio.reporting.report import Report

HELD_MESSAGE = "another reservation has this externalId already; look which of them it belongs to"


class Delivery:
    """Delivers the batches of one run."""

    def __init__(
        self,
        *,
        facilities: Facilities,
        lookup: Lookup,
        ledger: Ledger,
        report: Report,
        sender: Sender,
        settler: Settler,
        settings: Mapping[str, Any],
    ) -> None:
        """Take what the run consists of."""
        self._facilities = facilities
        self._lookup = lookup
        self._ledger = ledger
        self._report = report
        self._sender = sender
        self._settler = settler
        self._source_wins = settings["conflict"] == "source_wins"
        self._dry_run = settings["dry_run"]
        self._imagined: dict[str, Row | None] = {}
        """Rows by key as a dry run would have left them."""

    def deliver(self, stream: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Carry out records of one stream; all are settled when this returns.

        Raises:
            BookioError: the run cannot go on; what was not settled is in the journal.
        """
        readable = self._readable(stream, records)
        self._ledger.load(stream, readable)
        works = self._by_row(readable)
        for work in works.values():
            self._skip_past(work)
        try:
            while works:
                self._round(stream, works)
        finally:
            self._sender.commit()
        self._report.check_limits()

    def _by_row(self, records: list[Desired]) -> dict[str, Work]:
        """Queue the records that speak of one row, in their order.

        A record with both of a row's numbers tells that others with either of them mean the same
        row; the journal may know, too. What only Bookio knows, ``_join`` finds out.
        """
        same = {
            f"externalId:{record.external_id}": record.key
            for record in records
            if record.id is not None and record.external_id is not None
        }
        works: dict[str, Work] = {}
        for record in records:
            key = self._ledger.row_key(record, same.get(record.key, record.key))
            works.setdefault(key, Work(deque())).waiting.append(record)
        return works

    def _readable(self, stream: str, records: Iterable[Mapping[str, Any]]) -> list[Desired]:
        """Return what records say, less those that are rejected for how they say it."""
        readable = []
        for place, record in enumerate(records):
            try:
                desired = self._checked(read_record(stream, record))
                readable.append(replace(desired, place=place))
            except RecordError as error:
                self._report.add(
                    Outcome(
                        kind=OutcomeKind.REJECTED,
                        stream=stream,
                        record=record,
                        message=str(error),
                        fields=error.fields,
                    )
                )
        return readable

    def _checked(self, desired: Desired) -> Desired:
        seen = [facility.id for facility in self._facilities.in_scope]
        if None not in seen and desired.facility_id not in {None, *seen}:
            msg = "facilityId: not a facility that the token sees, or that facility_ids names"
            raise RecordError(msg, ("facilityId",))
        return desired

    def _round(self, stream: str, works: dict[str, Work]) -> None:
        """Decide every row's next record, send what is to be sent, settle what is unclear."""
        for work in works.values():
            self._reject_doubtful(work)
        _drop_finished(works)
        self._look_up(stream, works)
        self._join(works)
        planned = [work for work in works.values() if self._decide(work)]
        _drop_finished(works)
        self._report.check_limits()
        self._settler.settle(self._sender.send(planned))
        _drop_finished(works)

    def _skip_past(self, work: Work) -> None:
        """Take off what comes before the record that was carried out last.

        So it is when a stream is sent again: to go through a row's past once more would undo what
        came of it, and tell the patient twice.
        """
        for _ in range(self._ledger.passed(work)):
            self._report.add(Outcome.of(work.finish(), OutcomeKind.UNCHANGED))

    def _reject_doubtful(self, work: Work) -> None:
        """Take off the records of a row of which nobody knows what was written to it."""
        while work.waiting and (entry := self._ledger.known(work.waiting[0])):
            if entry.state != IN_DOUBT:
                return
            self._report.add(in_doubt(work.finish(), IN_DOUBT_MESSAGE, entry.step))

    def _look_up(self, stream: str, works: dict[str, Work]) -> None:
        """Fill in the row of every work that has not been looked up."""
        unknown = [work for work in works.values() if work.looked_up != work.waiting[0].key]
        self._find(stream, unknown)
        self._find_elsewhere(stream, unknown)
        removed = [work for work in unknown if work.row is None and self._ledger.had_row(work)]
        if removed and self._source_wins:  # before it is made again, it must be absent twice
            time.sleep(max(reconcile.PAUSES))
            self._find(stream, removed)

    def _find(
        self, stream: str, works: list[Work], places: Collection[int | None] | None = None
    ) -> None:
        """Look rows up where the records say that they are, or in these facilities."""
        if not works:
            return
        wanted: dict[int | None, set[str]] = defaultdict(set)
        for work in works:
            for place in places or [work.waiting[0].facility_id]:
                wanted[place].update(self._ledger.names(work.waiting[0]), work.waiting[0].names)
        found = self._lookup.find(stream, wanted)
        if not found.complete:
            msg = f"the list of {stream} cannot be read whole, so nothing was written; run again"
            raise ContractError(msg)
        rows = {**found.rows, **self._imagined}
        for work in works:
            desired = work.waiting[0]
            names = self._ledger.names(desired)
            work.looked_up = desired.key
            work.row = next((rows[name] for name in names if name in rows), None)
            holder = rows.get(f"externalId:{desired.external_id}")
            work.is_held = holder is not None and holder["id"] != work.row_id
            work.visible = found.shows_external_ids or not desired.key.startswith("externalId:")
        self._ledger.adopt(works)

    def _find_elsewhere(self, stream: str, works: list[Work]) -> None:
        """Look in all facilities for what is not in its own: it must not be booked there, too."""
        places = [facility.id for facility in self._facilities.in_scope]
        if len(places) > 1:
            missing = [
                work
                for work in works
                if work.row is None and work.waiting[0].facility_id is not None
            ]
            self._find(stream, missing, places)

    def _join(self, works: dict[str, Work]) -> None:
        """Make one queue of those that turned out to be of one row, in the order of the input."""
        owners: dict[str, Work] = {}
        for work in list(works.values()):
            names = work.names
            owner = next((owners[name] for name in names if name in owners), work)
            owners.update(dict.fromkeys(names, owner))
            if owner is not work:
                both = (*owner.waiting, *work.waiting)
                owner.waiting = deque(sorted(both, key=lambda desired: desired.place))
                work.waiting.clear()
                self._skip_past(owner)
        _drop_finished(works)

    def _decide(self, work: Work) -> bool:
        """Plan the next record, and settle those that need no write; False if none needs one."""
        while work.waiting and work.looked_up == work.waiting[0].key:
            desired = work.waiting[0]
            work.plan = self._plan(work)
            if work.plan.kind == UNCHANGED:
                self._report.add(Outcome.of(desired, OutcomeKind.UNCHANGED, row_id=work.row_id))
                if work.row is not None or work.visible:
                    self._ledger.done(work)
            elif work.plan.kind == REJECT:
                self._report.add(
                    Outcome.of(
                        desired,
                        OutcomeKind.REJECTED,
                        row_id=work.row_id,
                        message=work.plan.message,
                        fields=work.plan.fields,
                    )
                )
            elif work.plan.kind == CONFLICT:
                self._report.add(outcomes.conflict(desired, work.plan, work.row, work.row_id))
            elif self._dry_run:
                self._report.add(outcomes.written(desired, work.plan, work.row, work.row_id))
                self._imagine(work)
            else:
                return True
            work.finish()
        return False

    def _imagine(self, work: Work) -> None:
        """Go on, in a dry run, as if the plan had been carried out."""
        names = work.names
        self._ledger.sending(work)
        for step in work.plan.steps:
            work.row = operations.after(step, work.row, work.row_id)
        self._ledger.done(work)
        self._imagined.update(dict.fromkeys(names, work.row))

    def _plan(self, work: Work) -> Plan:
        if work.row is None and not work.visible and self._ledger.is_done(work):
            return Plan(UNCHANGED)  # no list can tell, but the journal can
        facility = work.waiting[0].facility_id or (work.row or {}).get("facilityId")
        try:
            is_nowhere = facility is None and work.row is None  # the planner refuses it
            work.desired = work.waiting[0].in_zone(
                self._facilities.time_zone(facility),
                is_known=is_nowhere or self._facilities.knows_zone(facility),
            )
        except RecordError as error:
            return Plan(REJECT, message=str(error), fields=error.fields)
        made = plan(
            work.desired, work.row, self._ledger.applied(work.desired), self._ledger.digest,
            visible=work.visible, source_wins=self._source_wins,
        )  # fmt: skip
        if work.is_held and any(step.group == SYNC for step in made.steps):
            return Plan(REJECT, message=HELD_MESSAGE, fields=("externalId",))
        return made


def _drop_finished(works: dict[str, Work]) -> None:
    for key in [key for key, work in works.items() if not work.waiting]:
        del works[key]
