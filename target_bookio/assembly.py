"""The parts of one run and what each is made of: the one place where they are put together."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bookio_singer.progress import Progress, is_for_a_person
from target_bookio.apply.answers import Answers
from target_bookio.apply.bookkeeper import Bookkeeper
from target_bookio.apply.decider import Decider
from target_bookio.apply.freshness import Freshness
from target_bookio.apply.intake import Intake
from target_bookio.apply.judge import Judge
from target_bookio.apply.locator import Locator
from target_bookio.apply.overlaps import Overlaps
from target_bookio.apply.reconciler import Reconciler
from target_bookio.apply.reporter import Reporter
from target_bookio.apply.resolver import Resolver
from target_bookio.apply.row_queues import RowQueues
from target_bookio.apply.sender import DryRunSender, Sender
from target_bookio.journal.account import Account
from target_bookio.journal.database import Database
from target_bookio.journal.store import Journal
from target_bookio.plan.planner import Planner
from target_bookio.refresh.mirror import Mirror
from target_bookio.refresh.reading import Lists
from target_bookio.refresh.refresher import Refresher
from target_bookio.reporting.rejects import Rejects
from target_bookio.reporting.report import Report
from target_bookio.reporting.results import Results
from target_bookio.reporting.run_stamp import RunStamp
from target_bookio.settings import OnConflict, OnOverlap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor
    from contextlib import ExitStack
    from typing import Any

    from bookio_api.client import BookioClient
    from bookio_api.facilities import Facilities
    from target_bookio.apply.books import Books
    from target_bookio.private_files import OwnFiles
    from target_bookio.refresh.server_clock import ServerClock


def opened_journal(
    settings: Mapping[str, Any], files: OwnFiles, api_url: str, stack: ExitStack, *, keep: bool
) -> Journal:
    """Return the account's journal; without ``keep`` nothing reaches the disk."""
    account = Account(api_url, settings["auth_token"], settings.get("previous_auth_token"))
    return stack.enter_context(closing(Journal(Database(files.journal, account, keep=keep))))


def opened_report(
    settings: Mapping[str, Any], files: OwnFiles, journal: Journal, stack: ExitStack, *, keep: bool
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
    return stack.enter_context(closing(Report(rejects, results, progress, settings)))


@dataclass(frozen=True, kw_only=True)
class Assembly:
    """Builds each part of a run when it is first needed, and once."""

    settings: Mapping[str, Any]
    client: BookioClient
    clock: ServerClock
    facilities: Facilities
    books: Books
    executor: Executor
    """Fetches pages ahead."""
    pause: Callable[[float], None]

    # --- refresh

    @cached_property
    def mirror(self) -> Mirror:
        """The copy of Bookio's lists."""
        return Mirror(self.books.journal)

    @cached_property
    def refresher(self) -> Refresher:
        """Keeps the mirror up to date."""
        return Refresher(
            lists=Lists(self.client, self.clock, self.executor, self.settings["max_concurrency"]),
            facilities=self.facilities,
            journal=self.books.journal,
            mirror=self.mirror,
            clock=self.clock,
            settings=self.settings,
        )

    # --- plan

    @property
    def source_wins(self) -> bool:
        """Whether a record overwrites what a person changed in Bookio."""
        return bool(self.settings["conflict"] == OnConflict.SOURCE_WINS)

    @cached_property
    def planner(self) -> Planner:
        """Plans one record."""
        return Planner(self.books.journal.digest, self.source_wins)

    # --- apply: what its parts share

    @cached_property
    def queues(self) -> RowQueues:
        """The records that wait."""
        return RowQueues()

    @cached_property
    def keeper(self) -> Bookkeeper:
        """Records requests and their results."""
        return Bookkeeper(self.books.journal, self.mirror, self.clock)

    @cached_property
    def reporter(self) -> Reporter:
        """Reports a row's first record."""
        return Reporter(self.books.report, self.keeper)

    @cached_property
    def locator(self) -> Locator:
        """Finds a record's row and entry."""
        return Locator(self.books.journal, self.mirror)

    @cached_property
    def freshness(self) -> Freshness:
        """Refreshes each stream when it is needed."""
        return Freshness(
            mirror=self.mirror,
            refresher=self.refresher,
            locator=self.locator,
            facilities=self.facilities,
            reporter=self.reporter,
        )

    @cached_property
    def answers(self) -> Answers:
        """Records responses."""
        return Answers(
            queues=self.queues,
            keeper=self.keeper,
            mirror=self.mirror,
            refresher=self.refresher,
            reporter=self.reporter,
            clock=self.clock,
            source_wins=self.source_wins,
        )

    # --- apply: decide, send, look up

    @cached_property
    def decider(self) -> Decider:
        """Decides what a row needs next."""
        on_overlap = OnOverlap(self.settings["on_overlap"])
        return Decider(
            facilities=self.facilities,
            freshness=self.freshness,
            refresher=self.refresher,
            locator=self.locator,
            planner=self.planner,
            overlaps=Overlaps(self.mirror, self.freshness.ensure, on_overlap),
            keeper=self.keeper,
            reporter=self.reporter,
            dry_run=self.settings["dry_run"],
        )

    @cached_property
    def sender(self) -> Sender:
        """Sends requests on its own threads."""
        kind = DryRunSender if self.settings["dry_run"] else Sender
        return kind(self.client, self.settings["max_concurrency"])

    @cached_property
    def judge(self) -> Judge:
        """Resolves doubts and ends holds."""
        return Judge(
            queues=self.queues,
            keeper=self.keeper,
            freshness=self.freshness,
            refresher=self.refresher,
            locator=self.locator,
            resolver=Resolver(self.books.journal, self.mirror, self.refresher),
            answers=self.answers,
            reporter=self.reporter,
            permissions=self.books.permissions,
            clock=self.clock,
            dry_run=self.settings["dry_run"],
        )

    @cached_property
    def reconciler(self) -> Reconciler:
        """Carries records out; uses everything above."""
        return Reconciler(
            books=self.books,
            keeper=self.keeper,
            queues=self.queues,
            intake=Intake(self.facilities, self.keeper, self.reporter),
            freshness=self.freshness,
            locator=self.locator,
            decider=self.decider,
            sender=self.sender,
            answers=self.answers,
            judge=self.judge,
            facilities=self.facilities,
            clock=self.clock,
            pause=self.pause,
        )
