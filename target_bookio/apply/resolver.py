"""Settles writes of which no answer told what became of them: a look-up tells, or nobody can."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING

from bookio_api.errors import DuplicateError, TransportError
from target_bookio.apply.outcomes import in_doubt, refused, written
from target_bookio.desired import CALENDARS
from target_bookio.journal.store import CONFIRMED, IN_DOUBT
from target_bookio.plan.planner import UNCHANGED, plan
from target_bookio.refresh.lookup import settle

if TYPE_CHECKING:
    from target_bookio.apply.row_queue import Ledger, Work
    from target_bookio.apply.sender import Sender
    from target_bookio.journal.store import Entry
    from target_bookio.plan.operations import Digest, Row
    from target_bookio.refresh.lookup import Lookup, Verdict
    from target_bookio.reporting.report import Report

logger = logging.getLogger(__name__)

MAX_DOUBTS = 4
"""How often one record may be sent without a clear outcome."""
IN_DOUBT_MESSAGE = (
    "no answer came and the lists do not tell whether it was applied; it will not be sent again: "
    "look for it in Bookio"
)
FAILING_MESSAGE = (
    f"Bookio failed on it {MAX_DOUBTS} times and does not have it; try again later, "
    "or ask Bookio about it"
)
DUPLICATE_MESSAGE = (
    "Bookio says that it holds this reservation, but lists none with this externalId"
)


class Settler:
    """Settles the doubts of one run, and what an earlier one left."""

    def __init__(self, *, lookup: Lookup, ledger: Ledger, report: Report, sender: Sender) -> None:
        """Take what the run consists of."""
        self._lookup = lookup
        self._ledger = ledger
        self._report = report
        self._sender = sender

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

    def settle(self, doubtful: list[Work]) -> None:
        """Look up what nobody knows, and decide by what that shows."""
        if not doubtful:
            return
        self._sender.commit()
        by_key = {work.intent.key: work for work in doubtful if work.intent}
        intents = [work.intent for work in doubtful if work.intent]
        verdicts = settle(
            self._lookup, self._ledger.digest, intents,
            lambda entry, row: _covers(by_key[entry.key], row, self._ledger.digest),
        )  # fmt: skip
        arrived = [self._settle_one(work, verdicts[key]) for key, work in by_key.items()]
        if self._sender.is_silenced and not any(arrived):
            msg = (
                f"stopped: {len(doubtful)} writes got no answer and none of them arrived; the "
                "journal knows them, run again when Bookio answers"
            )
            raise TransportError(msg)
        self._sender.resume()

    def _settle_one(self, work: Work, verdict: Verdict) -> bool:
        """Decide by what a look-up has shown of a write; True if it has arrived."""
        work.row = verdict.row
        operation = work.intent.step if work.intent else ""
        if work.refusal and isinstance(work.refusal, DuplicateError):
            self._ledger.take_back(work)
            if verdict.row is None:  # else the next round sees what the row lacks
                self._report.add(refused(work.finish(), DUPLICATE_MESSAGE, operation, code=40))
        elif verdict.state == CONFIRMED:
            self._ledger.done(work)
            self._report.add(written(work.finish(), work.plan, None, work.row_id))
            return True
        elif work.refusal:
            self._ledger.take_back(work)
            raise work.refusal
        elif verdict.state == IN_DOUBT:
            work.looked_up = ""
            self._report.add(in_doubt(work.finish(), IN_DOUBT_MESSAGE, operation))
        elif work.doubts < MAX_DOUBTS:
            self._ledger.take_back(work, verdict.row)
            self._report.retried()
        else:
            self._ledger.refused(work, verdict.row)
            self._report.add(refused(work.finish(), FAILING_MESSAGE, operation))
        return False


def _covers(work: Work, row: Row | None, digest: Digest) -> bool:
    """Whether a calendar says all that its record does; Bookio adds to it, so no digest tells."""
    wanted = work.desired or work.waiting[0]
    is_calendar = row is not None and wanted.stream == CALENDARS
    return is_calendar and plan(wanted, row, {}, digest).kind == UNCHANGED
