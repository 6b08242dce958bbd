"""Sends what was planned: the intent first, then the steps, then the outcome."""

from __future__ import annotations

from collections import deque
from concurrent.futures import wait
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.errors import (
    BookioError,
    DuplicateError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    TransportError,
)
from target_bookio import plan as planning
from target_bookio.plan import CREATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from concurrent.futures import Executor

    from bookio_api.client import BookioClient
    from target_bookio.ledger import Ledger, Work
    from target_bookio.outcomes import Outcomes
    from target_bookio.plan import Row

MAX_SILENCE = 10
"""This many writes in a row without an answer open the circuit: the run stops."""
MIN_WINDOW = 256
"""So many intents, at least, are noted with one disk flush."""

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


class Sender:
    """Sends the plans of one run, many at a time."""

    def __init__(
        self,
        *,
        client: BookioClient,
        ledger: Ledger,
        outcomes: Outcomes,
        executor: Executor,
        concurrency: int,
    ) -> None:
        """Take what the run consists of; the executor has as many threads as ``concurrency``."""
        self._client = client
        self._ledger = ledger
        self._outcomes = outcomes
        self._executor = executor
        self._concurrency = concurrency
        self._window = max(MIN_WINDOW, 8 * concurrency)
        self._silence = 0
        self._stopping = False

    def commit(self) -> None:
        """Put rejects and journal on the disk."""
        self._outcomes.commit()
        self._ledger.commit()

    def send(self, works: Iterable[Work]) -> list[Work]:
        """Send every plan, noting intents some way ahead; return those without an outcome.

        Raises:
            BookioError: the run cannot go on.
        """
        pending = deque(works)
        ready: SimpleQueue[Work | None] = SimpleQueue()
        arrived: SimpleQueue[Sent] = SimpleQueue()
        threads = [
            self._executor.submit(self._carry_out_all, ready, arrived)
            for _ in range(min(self._concurrency, len(pending)))
        ]
        doubtful: list[Work] = []
        flying = 0
        try:
            while flying or (pending and self._may_go_on()):
                if pending and flying <= self._window // 2 and self._may_go_on():
                    flying += self._release(pending, ready)
                sent = arrived.get()
                flying -= 1
                if not self._note(sent):
                    doubtful.append(sent.work)
        except BaseException:  # a fatal error or a signal, which comes between any two instructions
            self._stopping = True
            raise
        finally:
            for _ in threads:
                ready.put(None)
            wait(threads)  # what is on its way may still land
            while not arrived.empty():
                self._note(arrived.get())
        if self._silence >= MAX_SILENCE:
            msg = (
                f"stopped: {MAX_SILENCE} writes in a row got no answer; the journal knows them, "
                "run again when Bookio answers"
            )
            raise TransportError(msg)
        self._outcomes.check_limits()
        return doubtful

    def _release(self, pending: deque[Work], ready: SimpleQueue[Work | None]) -> int:
        """Note the next intents, and let them be sent once they are on the disk."""
        works = [pending.popleft() for _ in range(min(self._window, len(pending)))]
        for work in works:
            self._ledger.sending(work)
        self.commit()
        for work in works:
            ready.put(work)
        return len(works)

    def _may_go_on(self) -> bool:
        over = self._silence >= MAX_SILENCE or self._outcomes.over_limit
        return not (over or self._stopping)

    def _carry_out_all(self, ready: SimpleQueue[Work | None], arrived: SimpleQueue[Sent]) -> None:
        """Carry out what gets ready, until there is nothing more. Runs on a thread."""
        while (work := ready.get()) is not None:
            arrived.put(self._carry_out(work))

    def _carry_out(self, work: Work) -> Sent:
        """Send the steps of a plan, one after another."""
        if not self._may_go_on():
            return Sent(work, work.row, left=False)
        row, row_id, operation = work.row, work.row_id, ""
        try:
            for step in work.plan.steps:
                operation = step.operation
                path = {} if step.group == CREATE else {_ID_PARAMETER[work.stream]: row_id or 0}
                answer = self._client.call(operation, path=path, body=step.body)
                row_id = _id_in(answer.data) if step.group == CREATE else row_id
                row = planning.after(step, row, row_id)
        except BookioError as error:
            return Sent(work, row, error, operation)
        except BaseException as error:  # noqa: BLE001 - nobody else would hear of it
            msg = f"{operation}: unexpected {type(error).__name__}"
            return Sent(work, row, OutcomeUnknownError(msg), operation)
        return Sent(work, row)

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
            if work.row is not None and work.row_id is None:
                work.looked_up = ""
        elif isinstance(error, RefusedError):
            self._ledger.refused(work)
            self._outcomes.refused(work.waiting.popleft(), error, sent.operation)
            work.looked_up = ""
        else:
            self._ledger.take_back(work)
            if not self._stopping:
                raise error
        return True


def _id_in(data: Mapping[str, Any]) -> int | None:
    """Return the id that a creation answers, if it does (U)."""
    for place in (data, *(value for value in data.values() if isinstance(value, dict))):
        if type(place.get("id")) is int:
            return int(place["id"])
    return None
