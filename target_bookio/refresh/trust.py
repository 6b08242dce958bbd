"""Whether ``lastSync`` returns rows that were written through the API.

Rule 8 of docs/design/write-back.md: a write is put on trial, and a later list must show it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bookio_api.contract import OPERATIONS, RESOURCES

if TYPE_CHECKING:
    from bookio_api.facilities import Facility
    from target_bookio.journal.windows import Trial, Windows
    from target_bookio.refresh.listed_ids import ListedIds
    from target_bookio.refresh.server_clock import ServerClock

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trust:
    """Checks ``lastSync``, facility by facility; the journal stores the results."""

    windows: Windows
    clock: ServerClock
    resend_after_ms: int
    """How long a list may be late."""

    def can_ask_for_changes(self, stream: str, facility: Facility) -> bool:
        """Whether a list supports ``lastSync`` and it is trusted."""
        return (
            "lastSync" in OPERATIONS[RESOURCES[stream].list_operation].query
            and self.clock.is_known
            and not self.windows.is_distrusted(stream, facility.id)
        )

    def trials(self, stream: str, facility: Facility, started: int) -> list[Trial]:
        """Return the writes that a list read now must show."""
        answered_before = started - self.resend_after_ms
        return self.windows.trials_before(stream, facility.id, answered_before)

    def end(self, stream: str, trials: list[Trial]) -> None:
        """End trials without a verdict, because no request could have returned their rows."""
        self.windows.end_trials(stream, trials)

    def try_changes(
        self, stream: str, facility: Facility, trials: list[Trial], listed: set[int], since: int
    ) -> list[Trial]:
        """Judge trials by a list of the changes since then; return those that it does not show."""
        # 1. The row is listed: lastSync returns writes of this kind.
        shown = [trial for trial in trials if trial.row_id in listed]
        for kind in {trial.kind for trial in shown}:
            self.windows.trust(stream, facility.id, kind, is_trusted=True)
        # 2. The write was sent before that time, so the list need not show it: no verdict.
        uncovered = [trial for trial in trials if trial.sent_at < since]
        ended = [*shown, *uncovered]
        self.windows.end_trials(stream, ended)
        # 3. The row is missing: it was removed, or lastSync does not return it. Only the whole list
        #    can distinguish these.
        return [trial for trial in trials if trial not in ended]

    def try_whole(
        self, stream: str, facility: Facility, missing: list[Trial], listed: ListedIds
    ) -> None:
        """Judge missing trials: rows in the whole list should have been in the changes."""
        missed = {trial.kind for trial in missing if trial.row_id in listed}
        for kind in missed:
            self.windows.trust(stream, facility.id, kind, is_trusted=False)
        if missed:
            logger.warning(
                "%s: lastSync does not return rows written through the API; "
                "whole lists are read from now on, which takes more requests",
                stream,
            )
        self.windows.end_trials(stream, missing)
