"""One run: opens what it needs, commits, and closes everything in order."""

from __future__ import annotations

import logging
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.facilities import Facilities
from bookio_singer.progress import Progress, is_for_a_person
from bookio_singer.settings import client_from
from target_bookio.apply.assembly import assembled
from target_bookio.apply.bookkeeper import Bookkeeper
from target_bookio.apply.reconciler import Books
from target_bookio.apply.sender import DryRunSender, Sender
from target_bookio.journal.account import Account
from target_bookio.journal.database import Database
from target_bookio.journal.permissions import Permissions
from target_bookio.journal.store import Journal
from target_bookio.private_files import OwnFiles, own_files
from target_bookio.refresh.mirror import Mirror
from target_bookio.refresh.reading import Lists
from target_bookio.refresh.refresher import Refresher
from target_bookio.refresh.server_clock import ServerClock
from target_bookio.reporting.rejects import Rejects
from target_bookio.reporting.report import Report
from target_bookio.reporting.results import Results
from target_bookio.reporting.run_stamp import RunStamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from bookio_api.client import BookioClient
    from target_bookio.apply.reconciler import Reconciler

logger = logging.getLogger(__name__)


class Run(NamedTuple):
    """What the target does with its input."""

    client: BookioClient
    report: Report
    reconciler: Reconciler
    permissions: Permissions
    commit: Callable[[], None]
    """Flushes everything to the disk; STATE may be emitted afterwards (rule 20)."""

    def deliver(self, stream: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Carry out records of one stream, as far as possible now."""
        self.reconciler.deliver(stream, records)

    def finish(self) -> None:
        """Carry out the rest, and wait for writes in doubt."""
        self.reconciler.finish()

    @property
    def is_settled(self) -> bool:
        """Whether every record so far is carried out or durably rejected."""
        return self.reconciler.is_settled


@contextmanager
def open_run(
    settings: Mapping[str, Any],
    *,
    read_only: bool = False,
    on_open: Callable[[BookioClient], None] = lambda _client: None,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Run]:
    """Check the connection, open journal and rejects, and resolve an earlier run's doubts.

    When the block ends, requests in flight may still finish, and are recorded. ``on_open`` gets the
    client before any request, so that a signal can stop it.

    Raises:
        BookioError: nothing has been written.
    """
    keep = not (read_only or settings["dry_run"])
    files = own_files(settings, create=keep)
    with ExitStack() as stack:
        client = stack.enter_context(closing(client_from(settings)))
        on_open(client)
        clock, facilities = ServerClock(), Facilities(client, settings)
        ids = ", ".join(str(f.id) for f in facilities.in_scope if f.id is not None)
        logger.info("the token is good; facilities %s", ids or "not listed")
        clock.hear(facilities.server_time_ms)
        journal = stack.enter_context(closing(_journal(settings, files, client.api_url, keep)))
        if keep and (days := settings.get("retention_days")):
            journal.forget_before(days)
        report = stack.enter_context(closing(_report(settings, files, journal, stack, keep)))
        permissions = Permissions(journal.database, settings["auth_token"])
        noted: set[str] = set()

        def commit_report() -> None:
            report.commit()
            if new := report.succeeded - noted:
                permissions.note(new)
                noted.update(new)

        def commit() -> None:
            commit_report()
            journal.commit()

        def commit_then(done: Callable[[bool], None]) -> None:
            commit_report()
            journal.commit_then(done)

        threads = settings["max_concurrency"]
        executor = ThreadPoolExecutor(threads, thread_name_prefix="read")
        stack.callback(executor.shutdown, cancel_futures=True)
        sender = (DryRunSender if settings["dry_run"] else Sender)(client, threads)
        mirror = Mirror(journal)
        refresher = Refresher(
            lists=Lists(client, clock, executor, threads),
            facilities=facilities,
            journal=journal,
            mirror=mirror,
            clock=clock,
            settings=settings,
        )
        reconciler = assembled(
            books=Books(journal, Bookkeeper(journal, mirror, clock), report, commit, commit_then),
            facilities=facilities,
            mirror=mirror,
            refresher=refresher,
            sender=sender,
            clock=clock,
            settings=settings,
            pause=pause,
        )

        def land() -> None:
            journal.database.wait_for_commit()  # what it lets go is sent, or taken back
            reconciler.land(sender.stop())
            commit()

        stack.callback(land)
        if not read_only:
            refresher.start()
            reconciler.start()
        yield Run(client, report, reconciler, permissions, commit)


def _journal(
    settings: Mapping[str, Any],
    files: OwnFiles,
    api_url: str,
    keep: bool,  # noqa: FBT001 - see `_report`
) -> Journal:
    """Return the journal of the account."""
    account = Account(api_url, settings["auth_token"], settings.get("previous_auth_token"))
    return Journal(Database(files.journal, account, keep=keep))


def _report(
    settings: Mapping[str, Any],
    files: OwnFiles,
    journal: Journal,
    stack: ExitStack,
    keep: bool,  # noqa: FBT001 - it stands beside its like
) -> Report:
    """Return the report with its files open."""
    stamp = RunStamp()
    rejects = Rejects(
        files.rejects,
        stamp=stamp,
        digest=journal.digest,
        include_records=settings["rejects_include_records"],
        retention_days=settings.get("retention_days"),
        read_only=not keep,
    )
    stack.callback(rejects.close)
    results = Results(files.results if keep else None, stamp)
    stack.callback(results.close)
    progress = Progress(is_visible=is_for_a_person(sys.stdout, sys.stderr, os.environ))
    return Report(rejects, results, progress, settings)
