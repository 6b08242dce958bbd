"""Counts outcomes, writes them to the files, and decides when to stop."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from bookio_api.errors import BookioError, ErrorKind
from target_bookio.private_files import located
from target_bookio.reporting.outcome import WRITTEN, OutcomeKind
from target_bookio.reporting.shown_plan import ShownPlan
from target_bookio.settings import OnReject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookio_singer.progress import Progress
    from target_bookio.reporting.outcome import Outcome
    from target_bookio.reporting.rejects import Rejects
    from target_bookio.reporting.results import Results

logger = logging.getLogger(__name__)

_COUNTED_AS = {
    OutcomeKind.CREATED: "created",
    OutcomeKind.CHANGED: "changed",
    OutcomeKind.CONFIRMED: "confirmed",
    OutcomeKind.REMOVED: "removed",
    OutcomeKind.UNCHANGED: "unchanged",
    OutcomeKind.CONFLICT: "conflicts",
    OutcomeKind.REJECTED: "rejected",
}
"""The name of each outcome in the ``summary:`` line, in its order."""
RETRIED = "retried"
_RECORDS_PER_SHOW = 20
"""Number of records after which the progress line is redrawn."""
_MAX_OVERLAPS_NAMED = 100
"""Maximum overlaps to log; ``results_path`` and a dry run's plan have all of them."""


class TooManyRejectsError(BookioError):
    """The run stops, because something other than the records is probably wrong."""

    kind = ErrorKind.REJECTS


class Report:
    """The outcomes of one run. Used only from the main thread."""

    def __init__(
        self, rejects: Rejects, results: Results, progress: Progress, settings: Mapping[str, Any]
    ) -> None:
        self._rejects = rejects
        self._results = results
        self._progress = progress
        self._seen = 0
        """How many records have an outcome."""
        self._stops_at_first = settings["on_reject"] == OnReject.STOP
        self._max_rejects = settings["max_rejects"]
        self._rejects_path = located(settings["rejects_path"], "rejects_path")
        self._plan = ShownPlan(self._rejects_path) if settings["dry_run"] else None
        self._first_reject = ""
        self._new_rejects = 0
        self._overlaps = 0
        self._started = time.monotonic()
        self.counts: Counter[str] = Counter()
        self.succeeded: set[str] = set()
        """The operations that Bookio carried out in this run."""

    def add(self, outcome: Outcome) -> None:
        """Add the outcome of one record; the next ``commit`` makes it durable."""
        if outcome.kind in WRITTEN and not self._plan:
            self.succeeded.update(outcome.operations)
        for kind in outcome.counted_as:
            self.counts[_COUNTED_AS[kind]] += 1
        if outcome.kind is OutcomeKind.REJECTED:
            self._first_reject = self._first_reject or outcome.message
            self._new_rejects += self._rejects.add(outcome)
        elif outcome.kind is OutcomeKind.CONFLICT:
            self._rejects.add(outcome)
            key = json.dumps(outcome.key)
            logger.warning("%s %s: conflict, not written: %s", outcome.stream, key, outcome.message)
        if outcome.overlaps:
            self._overlaps += 1
            if self._overlaps <= _MAX_OVERLAPS_NAMED:
                key, others = json.dumps(outcome.key), ", ".join(outcome.overlaps)
                logger.warning("%s %s: overlaps with %s", outcome.stream, key, others)
        self._seen += 1
        if self._seen % _RECORDS_PER_SHOW == 0:
            self._progress.show(outcome.stream, self._seen)
        if self._plan:
            self._plan.add(outcome)
        else:
            self._results.add(outcome)

    def retried(self) -> None:
        """Count a write that did not arrive and is sent again."""
        self.counts[RETRIED] += 1

    @property
    def over_limit(self) -> bool:
        """Whether the run should stop because of too many rejects."""
        # With on_reject: stop, nothing may follow a reject, even one that is in the file already.
        if self._stops_at_first:
            return self.counts[_COUNTED_AS[OutcomeKind.REJECTED]] > 0
        # Otherwise rejects of earlier runs do not count, so that old problems never stop new
        # bookings.
        return bool(self._new_rejects > self._max_rejects)

    def check_limits(self) -> None:
        """Raise ``TooManyRejectsError`` if the run should stop, with the rejects on the disk."""
        if self.over_limit:
            self.commit()
            msg = (
                f"stopped after {self.counts['rejected']} rejects; see rejects_path, correct the "
                "records and run again"
            )
            raise TooManyRejectsError(msg)

    def commit(self) -> None:
        """Flush rejects and results to the disk, which must precede STATE."""
        self._rejects.commit()
        self._results.commit()

    def close(self) -> None:
        """Print the result of the run, as a line for people and one for programs."""
        self._progress.close()
        self.commit()
        counts = {name: self.counts[name] for name in (*_COUNTED_AS.values(), RETRIED)}
        seconds = round(time.monotonic() - self._started, 1)
        counted = ", ".join(f"{count} {name}" for name, count in counts.items())
        summary = json.dumps({**counts, "seconds": seconds})
        if self._plan:
            self._plan.show(self.counts)
            logger.info("dry run, nothing was written; summary: %s", summary)
            click.echo(f"target-bookio, DRY RUN, nothing was written; planned: {counted}", err=True)
            return
        if self._first_reject:
            known = counts["rejected"] - self._new_rejects
            logger.warning(
                "%d rejected%s, see %s; the first: %s",
                counts["rejected"],
                f" ({known} of them known from earlier)" if known else "",
                self._rejects_path,
                self._first_reject,
            )
        if self._overlaps:
            logger.warning("%d records overlap with bookings", self._overlaps)
        logger.info("summary: %s", summary)
        click.echo(f"target-bookio: {counted}, {seconds} seconds", err=True)
