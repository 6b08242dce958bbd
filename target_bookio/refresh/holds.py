"""Held rows: their state is unknown, so they are neither compared nor written.

Rules 6 and 14 of docs/design/write-back.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from target_bookio.journal.windows import Window, Windows


class Hold(NamedTuple):
    """What a row must wait for."""

    facility_id: int | None
    until_ms: int
    """A refresh that begins then or later ends the hold."""
    needs_full_scan: bool = False
    """Whether that refresh must read the whole list."""
    is_quarantine: bool = False
    """Whether its last write was found by its value; then nothing ends the hold early."""


class Holds:
    """The holds of one run. Changed only by the thread of the run."""

    def __init__(self, windows: Windows, resend_after_ms: int) -> None:
        """Start with the quarantined rows of earlier runs."""
        self._resend_after_ms = resend_after_ms
        # Other holds need not be stored: a refresh finds them again from the windows.
        self._holds: dict[tuple[str, int], Hold] = {}
        for stream, row_id, window in windows.quarantined():
            self.quarantine(stream, row_id, window.facility_id, window.answered_at)

    def of(self, stream: str, row_id: int) -> Hold | None:
        """Return the hold of a row."""
        return self._holds.get((stream, row_id))

    def quarantine(self, stream: str, row_id: int, facility_id: int | None, ended_at: int) -> None:
        """Hold a row whose last write was found by its value (rule 14)."""
        until_ms = ended_at + self._resend_after_ms
        self._holds[stream, row_id] = Hold(facility_id, until_ms, is_quarantine=True)

    def hold_late(self, stream: str, row_id: int, facility_id: int | None, window: Window) -> None:
        """Hold a row that a list shows with an earlier value (rule 6)."""
        self._holds[stream, row_id] = Hold(facility_id, window.answered_at + self._resend_after_ms)

    def hold_missing(
        self, stream: str, row_id: int, facility_id: int | None, window: Window
    ) -> None:
        """Hold a row that a full scan does not list, until another full scan (rule 6)."""
        until_ms = window.answered_at + self._resend_after_ms
        self._holds[stream, row_id] = Hold(facility_id, until_ms, needs_full_scan=True)

    def release(self, stream: str, row_id: int) -> None:
        """Release a row whose window has ended and that a list shows, unless quarantined."""
        hold = self.of(stream, row_id)
        if hold is not None and not hold.is_quarantine:
            del self._holds[stream, row_id]

    def end(self, stream: str, facility_id: int | None, started: int, *, was_full: bool) -> None:
        """End the holds of a facility for which a refresh began late enough."""
        for key, hold in list(self._holds.items()):
            is_same = None in (facility_id, hold.facility_id) or facility_id == hold.facility_id
            is_here = key[0] == stream and is_same
            has_passed = hold.until_ms <= started and (was_full or not hold.needs_full_scan)
            if is_here and has_passed:
                del self._holds[key]

    def restart(self, now_ms: int) -> None:
        """Restart every hold: Bookio's clock went back, or is unknown (rule 1)."""
        until_ms = now_ms + self._resend_after_ms
        self._holds = {key: hold._replace(until_ms=until_ms) for key, hold in self._holds.items()}
