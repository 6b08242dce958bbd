"""Carries a batch of records out: look up, decide, note the intent, send, note the outcome.

Records of one key go one after another; keys go in parallel. The next record of a key is decided
only when the one before it is settled.
"""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.errors import (
    BookioError,
    ContractError,
    DuplicateError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    TransportError,
)
from target_bookio import plan as planning
from target_bookio.journal import CONFIRMED, IN_DOUBT
from target_bookio.ledger import Work
from target_bookio.plan import CONFLICT, CREATE, REJECT, UNCHANGED, plan
from target_bookio.reconcile import settle
from target_bookio.record import RecordError, read_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from concurrent.futures import Executor

    from bookio_api.client import BookioClient
    from bookio_api.facilities import Facilities
    from target_bookio.journal import Entry
    from target_bookio.ledger import Ledger
    from target_bookio.outcomes import Outcomes
    from target_bookio.plan import Row
    from target_bookio.reconcile import Lookup
    from target_bookio.record import Desired

logger = logging.getLogger(__name__)

MAX_DOUBTS = 4
"""How often one record may be sent without a clear outcome."""
MAX_SILENCE = 10
"""This many writes in a row without an answer open the circuit: the run stops."""
MIN_WINDOW = 256
"""So many intents, at least, are noted with one disk flush."""
IN_DOUBT_MESSAGE = (
    "no answer came and the lists do not tell whether it was applied; it will not be sent again: "
    "look for it in Bookio"
)
DUPLICATE_MESSAGE = (
    "Bookio says that it holds this reservation, but lists none with this externalId"
)

_ID_PARAMETER = {
    "reservations": "reservationId",
    "blocked_times": "blockedTimeId",
    "calendars": "calendarId",
}


class Sent(NamedTuple):
    """What came of sending the steps of one plan."""

    work: Work
    row: Row | None
    error: BookioError | None = None
    operation: str = ""
    """The step that failed."""
    left: bool = True
    """Whether anything was sent at all."""


class Delivery:
    """Delivers the batches of one run."""

    def __init__(
        self,
        *,
        client: BookioClient,
        facilities: Facilities,
        lookup: Lookup,
        ledger: Ledger,
        outcomes: Outcomes,
        executor: Executor,
        settings: Mapping[str, Any],
    ) -> None:
        """Take what the run consists of."""
        self._client = client
        self._facilities = facilities
        self._lookup = lookup
        self._ledger = ledger
        self._outcomes = outcomes
        self._executor = executor
        self._window = max(MIN_WINDOW, 8 * settings["max_concurrency"])
        self._source_wins = settings["conflict"] == "source_wins"
        self._dry_run = settings["dry_run"]
        self._silence = 0
        self._stopping = False

    def settle_left_over(self) -> None:
        """Settle what an earlier run left without an outcome, before anything else is written."""
        by_stream: dict[str, list[Entry]] = defaultdict(list)
        for entry in self._ledger.left_over():
            by_stream[entry.stream].append(entry)
        for stream, entries in by_stream.items():
            logger.info("%s: looking up %d writes of an earlier run", stream, len(entries))
            verdicts = settle(self._lookup, self._ledger.digest, entries)
            for entry in entries:
                self._ledger.settled(entry, verdicts[entry.key])
        self._ledger.commit()

    def deliver(self, stream: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Carry out records of one stream; all are settled when this returns.

        Raises:
            BookioError: the run cannot go on; what was not settled is in the journal.
        """
        works: dict[str, Work] = {}
        for record in records:
            try:
                desired = self._checked(read_record(stream, record))
            except RecordError as error:
                self._outcomes.reject(stream, record, str(error), fields=error.fields)
                continue
            works.setdefault(desired.key, Work(deque())).waiting.append(desired)
        try:
            while works:
                self._round(stream, works)
        finally:
            self._commit()
        self._outcomes.check_limits()

    def _checked(self, desired: Desired) -> Desired:
        seen = [facility.id for facility in self._facilities.in_scope]
        if None not in seen and desired.facility_id not in {None, *seen}:
            msg = "facilityId: not a facility that the token sees, or that facility_ids names"
            raise RecordError(msg, ("facilityId",))
        return desired

    def _commit(self) -> None:
        self._outcomes.commit()
        self._ledger.commit()

    def _round(self, stream: str, works: dict[str, Work]) -> None:
        """Decide every key's next record, send what is to be sent, settle what is unclear."""
        for work in works.values():
            self._skip_known(work)
        _drop_finished(works)
        self._look_up(stream, works)
        for work in works.values():
            self._decide(work)
        _drop_finished(works)
        self._outcomes.check_limits()
        self._settle(self._send(deque(works.values())))
        _drop_finished(works)

    def _skip_known(self, work: Work) -> None:
        """Take off the records that the journal knows to be done, or never to be sent again."""
        while work.waiting and not work.looked_up:
            desired = work.waiting[0]
            entry = self._ledger.known(desired)
            if entry is None or not self._ledger.says_the_same(entry, desired):
                return
            if entry.state == CONFIRMED and not self._source_wins:
                self._outcomes.unchanged()
            elif entry.state == IN_DOUBT:
                self._reject(desired, IN_DOUBT_MESSAGE, operation=entry.step)
            else:
                return
            work.waiting.popleft()

    def _look_up(self, stream: str, works: dict[str, Work]) -> None:
        """Fill in the row of every work that has not been looked up."""
        names: dict[str, list[str]] = {}
        wanted: dict[int | None, set[str]] = defaultdict(set)
        for key, work in works.items():
            if not work.looked_up:
                entry = self._ledger.known(work.waiting[0])
                other = [f"id:{entry.remote_id}"] if entry and entry.remote_id is not None else []
                names[key] = [key, *other]
                wanted[work.waiting[0].facility_id].update(names[key])
        if not names:
            return
        found = self._lookup.find(stream, wanted)
        if not found.complete:
            msg = f"the list of {stream} cannot be read whole, so nothing was written; run again"
            raise ContractError(msg)
        for key, keys in names.items():
            work = works[key]
            work.looked_up = True
            work.row = next((found.rows[name] for name in keys if name in found.rows), None)

    def _decide(self, work: Work) -> None:
        """Plan the next record that needs a write; those before it are settled at once."""
        while work.waiting:
            desired = work.waiting[0]
            facility = desired.facility_id or (work.row or {}).get("facilityId")
            work.desired = desired = desired.in_zone(self._facilities.time_zone(facility))
            work.plan = plan(
                desired, work.row, self._ledger.applied(desired), self._ledger.digest,
                source_wins=self._source_wins,
            )  # fmt: skip
            if work.plan.kind == UNCHANGED:
                self._outcomes.unchanged()
                if work.row is not None and not self._dry_run:
                    self._ledger.done(work)
            elif work.plan.kind == REJECT:
                self._reject(desired, work.plan.message, fields=work.plan.fields)
            elif work.plan.kind == CONFLICT:
                self._outcomes.conflict(desired, work.plan)
            elif self._dry_run:
                self._outcomes.planned(desired, work.plan)
                for step in work.plan.steps:
                    work.row = planning.after(step, work.row, work.row_id)
            else:
                return
            work.waiting.popleft()

    def _send(self, pending: deque[Work]) -> list[Work]:
        """Send every plan, noting intents some way ahead; return those without an outcome."""
        arrived: SimpleQueue[Sent] = SimpleQueue()
        doubtful: list[Work] = []
        flying = 0
        try:
            while flying or (pending and self._may_go_on()):
                if pending and flying <= self._window // 2 and self._may_go_on():
                    ready = [pending.popleft() for _ in range(min(self._window, len(pending)))]
                    for work in ready:
                        self._ledger.sending(work)
                    self._commit()
                    for work in ready:
                        self._executor.submit(self._carry_out, work, arrived)
                    flying += len(ready)
                sent = arrived.get()
                flying -= 1
                if not self._note(sent):
                    doubtful.append(sent.work)
        except BaseException:  # a fatal error or a signal: what is on its way may still land
            self._stopping = True
            for _ in range(flying):
                self._note(arrived.get())
            raise
        if self._silence >= MAX_SILENCE:
            msg = (
                f"stopped: {MAX_SILENCE} writes in a row got no answer; the journal knows them, "
                "run again when Bookio answers"
            )
            raise TransportError(msg)
        self._outcomes.check_limits()
        return doubtful

    def _may_go_on(self) -> bool:
        over = self._silence >= MAX_SILENCE or self._outcomes.over_limit
        return not (over or self._stopping)

    def _carry_out(self, work: Work, arrived: SimpleQueue[Sent]) -> None:
        """Send the steps of a plan, one after another. Runs on a thread."""
        if not self._may_go_on():
            arrived.put(Sent(work, work.row, left=False))
            return
        row, row_id, operation = work.row, work.row_id, ""
        try:
            for step in work.plan.steps:
                operation = step.operation
                path = {} if step.group == CREATE else {_ID_PARAMETER[_stream(work)]: row_id or 0}
                answer = self._client.call(operation, path=path, body=step.body)
                row_id = _id_in(answer.data) if step.group == CREATE else row_id
                row = planning.after(step, row, row_id)
        except BookioError as error:
            arrived.put(Sent(work, row, error, operation))
        except BaseException as error:  # noqa: BLE001 - nobody else would hear of it
            msg = f"{operation}: unexpected {type(error).__name__}"
            arrived.put(Sent(work, row, OutcomeUnknownError(msg), operation))
        else:
            arrived.put(Sent(work, row))

    def _note(self, sent: Sent) -> bool:
        """Note what came of a write; False if a look-up must tell.

        Raises:
            BookioError: what fails here fails for every record.
        """
        work, error = sent.work, sent.error
        if not sent.left:
            self._ledger.take_back(work)
            return True
        if isinstance(error, OutcomeUnknownError):
            self._silence += 1
            work.doubts += 1
            self._ledger.in_doubt(work)
            return False
        self._silence = 0
        gone = isinstance(error, NotFoundError) and sent.operation == "remove_blocked_time"
        work.duplicate = isinstance(error, DuplicateError) and work.row is None
        if work.duplicate:
            return False
        if error is None or gone:
            work.row = None if gone else sent.row
            self._ledger.done(work)
            self._outcomes.written(work.plan)
            work.waiting.popleft()
            work.looked_up = work.row is None or work.row_id is not None
        elif isinstance(error, RefusedError):
            self._ledger.refused(work)
            self._reject(work.waiting.popleft(), str(error), operation=sent.operation,
                         code=error.code, fields=error.fields)  # fmt: skip
            work.looked_up = False
        else:
            self._ledger.take_back(work)
            if not self._stopping:
                raise error
        return True

    def _settle(self, doubtful: list[Work]) -> None:
        """Look up what nobody knows, and decide by what that shows."""
        if not doubtful:
            return
        self._commit()
        intents = [work.intent for work in doubtful if work.intent]
        verdicts = settle(self._lookup, self._ledger.digest, intents)
        for work in doubtful:
            verdict = verdicts[work.waiting[0].key]
            work.row = verdict.row
            if work.duplicate and verdict.row is not None:
                self._ledger.take_back(work)  # it is there: the next round sees what it lacks
            elif work.duplicate:
                self._ledger.take_back(work)
                self._reject(work.waiting.popleft(), DUPLICATE_MESSAGE,
                             operation="create_reservation", code=40)  # fmt: skip
            elif verdict.state == CONFIRMED:
                self._ledger.done(work)
                self._outcomes.written(work.plan)
                work.waiting.popleft()
            elif verdict.state == IN_DOUBT or work.doubts >= MAX_DOUBTS:
                operation = work.intent.step if work.intent else None
                self._reject(work.waiting.popleft(), IN_DOUBT_MESSAGE, operation=operation)
            else:
                self._ledger.take_back(work)
                self._outcomes.retried()

    def _reject(
        self,
        desired: Desired,
        message: str,
        *,
        operation: str | None = None,
        code: int | None = None,
        fields: tuple[str, ...] = (),
    ) -> None:
        self._outcomes.reject(
            desired.stream, desired.record, message, operation=operation, code=code, fields=fields
        )


def _drop_finished(works: dict[str, Work]) -> None:
    for key in [key for key, work in works.items() if not work.waiting]:
        del works[key]


def _stream(work: Work) -> str:
    return work.waiting[0].stream


def _id_in(data: Mapping[str, Any]) -> int | None:
    """Return the id that a creation answers, if it does (U)."""
    for place in (data, *(value for value in data.values() if isinstance(value, dict))):
        if type(place.get("id")) is int:
            return int(place["id"])
    return None
