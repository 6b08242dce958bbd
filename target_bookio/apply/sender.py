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
    UnknownPathError,
)
from target_bookio.apply.outcomes import refused, written
from target_bookio.plan import operations
from target_bookio.plan.operations import CREATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from concurrent.futures import Executor

    from bookio_api.client import BookioClient
    from target_bookio.apply.row_queue import Ledger, Work
    from target_bookio.plan.operations import Row
    from target_bookio.reporting.report import Report

MAX_SILENCE = 10
"""So many writes in a row without a clear answer, and no more is sent until a look-up tells."""
MIN_WINDOW = 256
"""So many intents, at least, are noted with one disk flush."""

_ID_PARAMETER = {
    "reservations": "reservationId",
    "blocked_times": "blockedTimeId",
    "calendars": "calendarId",
}
_ROW = {"reservations": "reservation", "blocked_times": "blockedTime", "calendars": "calendar"}
"""Where a creation's answer may hold the new row (U)."""


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
        report: Report,
        executor: Executor,
        concurrency: int,
    ) -> None:
        """Take what the run consists of; the executor has as many threads as ``concurrency``."""
        self._client = client
        self._ledger = ledger
        self._report = report
        self._executor = executor
        self._concurrency = concurrency
        self._window = max(MIN_WINDOW, 8 * concurrency)
        self._silence = 0
        self._stopping = False

    @property
    def is_silenced(self) -> bool:
        """Whether sending stopped because no answer came any more."""
        return self._silence >= MAX_SILENCE

    def resume(self) -> None:
        """Send again: a look-up has shown that writes arrive."""
        self._silence = 0

    def commit(self) -> None:
        """Put rejects and journal on the disk."""
        self._report.commit()
        self._ledger.commit()

    def send(self, works: Iterable[Work]) -> list[Work]:
        """Send plans, noting intents some way ahead; return those without an outcome.

        What is left when too many answers are missing is not sent, see ``is_silenced``.

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
        self._report.check_limits()
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
        return not (self.is_silenced or self._report.over_limit or self._stopping)

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
                row_id = _new_id(work, answer.data) if step.group == CREATE else row_id
                row = operations.after(step, row, row_id)
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
        work.refusal = None
        if not sent.left:
            self._ledger.take_back(work)
            return True
        if isinstance(error, OutcomeUnknownError):
            self._silence += not work.doubts  # a row that fails again and again is no silence
            work.doubts += 1
            self._ledger.in_doubt(work)
            return False
        self._silence = 0
        removing = sent.operation == "remove_blocked_time"
        gone = removing and isinstance(error, NotFoundError)
        if removing and isinstance(error, UnknownPathError):
            work.refusal = error
        if work.row is None and isinstance(error, DuplicateError):
            work.refusal = error
        if work.refusal:
            return False
        if error is None or gone:
            work.row = None if gone else sent.row
            self._ledger.done(work)
            self._report.add(written(work.finish(), work.plan, None, work.row_id))
            if work.row is not None and work.row_id is None:
                work.looked_up = ""
        elif isinstance(error, RefusedError):
            self._ledger.refused(work, sent.row)
            self._report.add(
                refused(
                    work.finish(),
                    str(error),
                    sent.operation,
                    code=error.code,
                    fields=error.fields,
                )
            )
            work.looked_up = ""
        else:
            self._ledger.take_back(work, sent.row)
            if not self._stopping:
                raise error
        return True


def _new_id(work: Work, data: Mapping[str, Any]) -> int | None:
    """Return the id that a creation answers, if it does (U), and is about our row."""
    row = data.get(_ROW[work.stream], data)
    if not isinstance(row, dict) or type(row.get("id")) is not int:
        return None
    ours = work.waiting[0].external_id
    return int(row["id"]) if row.get("externalId", ours) in {ours, str(ours)} else None
