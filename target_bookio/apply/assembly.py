"""Assembles the reconciler of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_bookio.apply.answers import Answers
from target_bookio.apply.decider import Decider
from target_bookio.apply.freshness import Freshness
from target_bookio.apply.intake import Intake
from target_bookio.apply.judge import Judge
from target_bookio.apply.locator import Locator
from target_bookio.apply.overlaps import Overlaps
from target_bookio.apply.reconciler import Books, Reconciler
from target_bookio.apply.reporter import Reporter
from target_bookio.apply.resolver import Resolver
from target_bookio.apply.row_queues import RowQueues
from target_bookio.plan.planner import Planner
from target_bookio.settings import OnConflict, OnOverlap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from bookio_api.facilities import Facilities
    from target_bookio.apply.sender import Sender
    from target_bookio.refresh.mirror import Mirror
    from target_bookio.refresh.refresher import Refresher
    from target_bookio.refresh.server_clock import ServerClock


def assembled(
    *,
    books: Books,
    facilities: Facilities,
    mirror: Mirror,
    refresher: Refresher,
    sender: Sender,
    clock: ServerClock,
    settings: Mapping[str, Any],
    pause: Callable[[float], None],
) -> Reconciler:
    """Return the reconciler with its parts."""
    journal, keeper, report, *_ = books
    dry_run, source_wins = settings["dry_run"], settings["conflict"] == OnConflict.SOURCE_WINS
    queues, reporter, locator = RowQueues(), Reporter(report), Locator(journal, mirror)
    freshness = Freshness(
        mirror=mirror,
        refresher=refresher,
        locator=locator,
        facilities=facilities,
        reporter=reporter,
    )
    answers = Answers(
        queues=queues,
        keeper=keeper,
        mirror=mirror,
        refresher=refresher,
        reporter=reporter,
        source_wins=source_wins,
    )
    decider = Decider(
        facilities=facilities,
        freshness=freshness,
        refresher=refresher,
        locator=locator,
        planner=Planner(journal.digest, source_wins),
        overlaps=Overlaps(mirror, freshness.ensure, OnOverlap(settings["on_overlap"])),
        keeper=keeper,
        reporter=reporter,
        dry_run=dry_run,
    )
    judge = Judge(
        queues=queues,
        keeper=keeper,
        freshness=freshness,
        refresher=refresher,
        locator=locator,
        resolver=Resolver(journal, mirror, refresher),
        answers=answers,
        reporter=reporter,
        clock=clock,
        dry_run=dry_run,
    )
    return Reconciler(
        books=books,
        queues=queues,
        intake=Intake(facilities, keeper, reporter),
        freshness=freshness,
        locator=locator,
        decider=decider,
        sender=sender,
        answers=answers,
        judge=judge,
        clock=clock,
        pause=pause,
    )
