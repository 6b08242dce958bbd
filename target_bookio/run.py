"""One run: opens what it needs, commits, and closes everything in order."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.facilities import Facilities
from bookio_singer.settings import client_from
from target_bookio.apply.books import Books
from target_bookio.assembly import Assembly, opened_journal, opened_report
from target_bookio.journal.permissions import Permissions
from target_bookio.private_files import own_files
from target_bookio.refresh.server_clock import ServerClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from bookio_api.client import BookioClient
    from target_bookio.apply.reconciler import Reconciler
    from target_bookio.reporting.report import Report

logger = logging.getLogger(__name__)


class Run(NamedTuple):
    """What the target does with its input."""

    books: Books
    reconciler: Reconciler

    @property
    def report(self) -> Report:
        """The outcomes of the records."""
        return self.books.report

    def deliver(self, stream: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Carry out records of one stream, as far as possible now."""
        self.reconciler.deliver(stream, records)

    def finish(self) -> None:
        """Carry out the rest, and wait for writes in doubt."""
        self.reconciler.finish()

    @property
    def is_caught_up(self) -> bool:
        """Whether every record so far is carried out or durably rejected."""
        return self.reconciler.is_caught_up


@contextmanager
def open_run(
    settings: Mapping[str, Any],
    *,
    read_only: bool = False,
    on_open: Callable[[BookioClient], None] = lambda _client: None,
    pause: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[Run]:
    """Check the connection, open journal and rejects, and resolve an earlier run's doubts.

    When the block ends, requests in flight may still finish, and are recorded. ``on_open`` gets the
    client before any request, so that a signal can stop it.

    Raises:
        BookioError: nothing has been written.
    """
    keep = not (read_only or settings["dry_run"])
    files = own_files(settings, create=keep)
    with ExitStack() as stack:  # closes in reverse order: threads, report, rejects, journal, client
        client = stack.enter_context(closing(client_from(settings)))
        on_open(client)
        clock, facilities = ServerClock(monotonic), Facilities(client, settings)
        ids = ", ".join(str(f.id) for f in facilities.in_scope if f.id is not None)
        logger.info("the token is valid; facilities %s", ids or "not listed")
        clock.hear(facilities.server_time_ms)
        journal = opened_journal(settings, files, client.api_url, stack, keep=keep)
        if keep and (days := settings.get("retention_days")):
            journal.forget_before(days)
        report = opened_report(settings, files, journal, stack, keep=keep)
        books = Books(journal, report, Permissions(journal.database, settings["auth_token"]))
        executor = ThreadPoolExecutor(settings["max_concurrency"], thread_name_prefix="read")
        stack.callback(executor.shutdown, cancel_futures=True)
        parts = Assembly(
            settings=settings,
            client=client,
            clock=clock,
            facilities=facilities,
            books=books,
            executor=executor,
            pause=pause,
        )
        stack.callback(parts.reconciler.stop)
        if not read_only:
            parts.refresher.start()
            parts.reconciler.start()
        yield Run(books, parts.reconciler)
