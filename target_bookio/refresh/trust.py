"""Whether ``lastSync`` returns rows written through the API: trust is earned (rule 8)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from bookio_api.contract import OPERATIONS, RESOURCES

if TYPE_CHECKING:
    from bookio_api.facilities import Facility
    from target_bookio.journal.windows import Trial, Windows
    from target_bookio.refresh.listed_ids import ListedIds
    from target_bookio.refresh.server_clock import ServerClock

logger = logging.getLogger(__name__)


class Trust:
    """What the journal knows of ``lastSync``, facility by facility."""

    def __init__(self, windows: Windows, clock: ServerClock, resend_after_ms: int) -> None:
        """Take where trials stand, and how long a list may be late."""
        self._windows = windows
        self._clock = clock
        self._resend_after_ms = resend_after_ms

    def can_ask_for_changes(self, stream: str, facility: Facility) -> bool:
        """Whether a list supports ``lastSync`` and it is trusted."""
        return (
            "lastSync" in OPERATIONS[RESOURCES[stream].list_operation].query
            and self._clock.is_known
            and not self._windows.is_distrusted(stream, facility.id)
        )

    def trials(self, stream: str, facility: Facility, started: int) -> list[Trial]:
        """Return the writes that a list read now must show."""
        answered_before = started - self._resend_after_ms
        return self._windows.trials_before(stream, facility.id, answered_before)

    def end(self, stream: str, trials: list[Trial]) -> None:
        """End trials without a verdict, because no request could have returned their rows."""
        self._windows.end_trials(stream, trials)

    def try_changes(
        self, stream: str, facility: Facility, trials: list[Trial], listed: set[int], since: int
    ) -> list[Trial]:
        """End trials by a list of changes since then; return those whose row it misses.

        1. Its row is listed: ``lastSync`` returns writes of that kind.
        2. It was sent before that ``lastSync``: it proves nothing, and ends.
        3. Its row is missing: removed, or not returned. Only the whole list can tell.
        """
        shown = [trial for trial in trials if trial.row_id in listed]
        for kind in {trial.kind for trial in shown}:
            self._windows.trust(stream, facility.id, kind, is_trusted=True)
        uncovered = [trial for trial in trials if trial.sent_at < since]
        ended = [*shown, *uncovered]
        self._windows.end_trials(stream, ended)
        return [trial for trial in trials if trial not in ended]

    def try_whole(
        self, stream: str, facility: Facility, missing: list[Trial], listed: ListedIds
    ) -> None:
        """End trials by the whole list: its rows should have been in the list of changes."""
        missed = {trial.kind for trial in missing if trial.row_id in listed}
        for kind in missed:
            self._windows.trust(stream, facility.id, kind, is_trusted=False)
        if missed:
            logger.warning(
                "%s: lastSync does not return rows written through the API; "
                "whole lists are read from now on, which takes more requests",
                stream,
            )
        self._windows.end_trials(stream, missing)
