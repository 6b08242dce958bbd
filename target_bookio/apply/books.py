"""Where a run records what it does: the journal, the report, and what the token may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_bookio.journal.permissions import Permissions
    from target_bookio.journal.store import Journal
    from target_bookio.reporting.report import Report


class Books:
    """Flushes all books of a run together. Used only by the thread of the run."""

    def __init__(self, journal: Journal, report: Report, permissions: Permissions) -> None:
        """Take the open books."""
        self.journal = journal
        self.report = report
        self.permissions = permissions
        self._permitted: set[str] = set()
        """Operations whose success is recorded already."""

    def commit(self) -> None:
        """Flush everything to the disk; STATE may be emitted afterwards (rule 20)."""
        self._commit_report()
        self.journal.commit()

    def commit_then(self, done: Callable[[bool], None]) -> None:
        """Flush the report, and the journal on another thread: `Database.commit_then`."""
        self._commit_report()
        self.journal.commit_then(done)

    def _commit_report(self) -> None:
        # The report goes first. After a kill between the two, the record is sent again, and its
        # reject is recognised by its fingerprint. The other way round, the journal would contain an
        # outcome that no line reports.
        self.report.commit()
        if new := self.report.succeeded - self._permitted:
            self.permissions.record(new)
            self._permitted.update(new)
