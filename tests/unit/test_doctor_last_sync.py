"""What the doctor concludes from lists that are narrowed by lastSync."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from bookio_doctor.finding import Finding, Verdict
from bookio_doctor.judgements.last_sync import judge_last_sync
from bookio_doctor.observations import LastSync, TimedRow
from tests.surveys import by_topic, listed, refused, survey

if TYPE_CHECKING:
    from collections.abc import Callable

HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict
Row = dict[str, Any]

NOW_MS = int(datetime(2018, 6, 29, 12, tzinfo=UTC).timestamp() * 1000)
DAY_MS = 86_400_000
RECENT_MS, FUTURE_MS = NOW_MS - DAY_MS, NOW_MS + DAY_MS


def days_ago(days: float) -> str:
    moment = datetime.fromtimestamp((NOW_MS - days * DAY_MS) / 1000, UTC)
    return moment.replace(tzinfo=None).isoformat()


def row(number: int, *, created: float = 20, changed: float = 20, **fields: Any) -> Row:
    """Return a row that was created and changed so many days ago; its term is long over."""
    return {
        "id": number,
        "created": days_ago(created),
        "dateFrom": days_ago(15),
        "_changed": NOW_MS - changed * DAY_MS,
        "_created": NOW_MS - created * DAY_MS,
        "status": "CONFIRMED",
        **fields,
    }


OLD = [row(number) for number in range(20)]
CHANGED = row(20, changed=0.5)
CANCELLED = row(21, changed=0.5, status="CANCELLED")
NEW = row(22, created=0.5, changed=0.5)


def by_change(row: Row, since_ms: int) -> bool:
    return bool(row["_changed"] > since_ms)


def by_creation(row: Row, since_ms: int) -> bool:
    return bool(row["_created"] > since_ms)


def judged(
    rows: list[Row],
    lists: Callable[[Row, int], bool] = by_change,
    timed: TimedRow | None = None,
    **answers: Any,
) -> dict[str, Finding]:
    """Judge a server that lists the rows which a function chooses by a time in ms."""
    asked = {
        "all": 1,
        "old": 10**12,
        "future": FUTURE_MS,
        "seconds": FUTURE_MS // 1000,
        "recent": RECENT_MS,
    }
    if timed is not None:
        asked |= {"before": timed.moment_ms - 1000, "at": timed.moment_ms}
        asked |= {"after": timed.moment_ms + 1000}
    came = {name: listed([r for r in rows if lists(r, ms)]) for name, ms in asked.items()}
    taken = survey(
        rows,
        facility={"id": 1, "timeZone": "UTC"},
        last_sync=LastSync(
            answers={**came, **answers},
            recent_since_ms=RECENT_MS,
            future_ms=FUTURE_MS,
            timed_row=timed,
        ),
    )
    return by_topic(judge_last_sync(taken))


@pytest.mark.parametrize("question", ["recent", "old"])
def test_a_refused_time_blocks(question) -> None:
    """It is as the tap sends it, so the next incremental run would fail."""
    finding = judged(OLD, **{question: refused()})["lastSync"]
    assert finding.verdict == BLOCKS
    assert "HTTP 400" in finding.seen


def test_a_time_in_the_future_may_be_refused() -> None:
    """No run sends one."""
    assert judged(OLD, future=refused())["lastSync"].verdict == NOT_SHOWN


@pytest.mark.parametrize(
    ("rows", "lists", "verdict", "meaning"),
    [
        (OLD, by_change, HOLDS, ""),
        (OLD, lambda *_: True, DIFFERS, "every run reads everything"),
        (OLD, lambda row, since: since == 1 or row["id"] > 10, DIFFERS, "miss changes"),
        (OLD, lambda *_: False, NOT_SHOWN, "may bring nothing"),
        ([], by_change, NOT_SHOWN, ""),
    ],
)
def test_a_time_in_the_future_is_compared_with_one_long_ago(rows, lists, verdict, meaning) -> None:
    """Only if all rows come for both, every run reads everything and loses nothing."""
    finding = judged(rows, lists)["lastSync"]
    assert finding.verdict == verdict
    assert meaning in finding.meaning


@pytest.mark.parametrize(("total", "reads_all"), [(300, True), (200, False)])
def test_two_full_pages_are_not_all_rows(total, reads_all) -> None:
    """The rows with the latest terms are in the future, and may be listed first."""
    page = [row(number) for number in range(100)]
    answers = {"all": listed(page, total=300), "future": listed(page, total=total)}
    finding = judged(page, **answers)["lastSync"]
    assert ("every run reads everything" in finding.meaning) == reads_all


@pytest.mark.parametrize(
    ("unit", "verdict"),
    [
        (lambda since: since, HOLDS),
        (lambda since: since * 1000, BLOCKS),
        (lambda since: since * 1000 if since < 10**11 else since, HOLDS),
    ],
)
def test_only_a_server_that_takes_nothing_but_seconds_blocks(unit, verdict) -> None:
    findings = judged(OLD, lambda row, since: by_change(row, unit(since)))
    assert findings["lastSync: unit"].verdict == verdict


@pytest.mark.parametrize(
    ("rows", "lists", "changed", "cancelled"),
    [
        ([*OLD, CHANGED], by_change, HOLDS, NOT_SHOWN),
        ([*OLD, CANCELLED], by_change, HOLDS, HOLDS),
        ([*OLD, NEW], by_change, NOT_SHOWN, NOT_SHOWN),
        ([*OLD, NEW], by_creation, NOT_SHOWN, NOT_SHOWN),
        ([*OLD, {**NEW, "status": "CANCELLED"}], by_creation, NOT_SHOWN, NOT_SHOWN),
        ([*OLD, {**CHANGED, "created": NOW_MS - 20 * DAY_MS}], by_change, NOT_SHOWN, NOT_SHOWN),
        ([*OLD, {**CHANGED, "created": "09.06.2018"}], by_change, NOT_SHOWN, NOT_SHOWN),
        ([*OLD, {**CHANGED, "dateFrom": days_ago(0.5)}], by_change, NOT_SHOWN, NOT_SHOWN),
        ([*OLD, {**CHANGED, "dateFrom": days_ago(-9)}], by_change, HOLDS, NOT_SHOWN),
        ([CANCELLED], by_change, NOT_SHOWN, NOT_SHOWN),
    ],
)
def test_only_an_older_row_shows_that_changes_come(rows, lists, changed, cancelled) -> None:
    """A row may also come for its creation or its term, or because nothing is left out."""
    findings = judged(rows, lists)
    assert findings["lastSync: changed"].verdict == changed
    assert findings["lastSync: cancelled"].verdict == cancelled


@pytest.mark.parametrize(
    ("cancel_time", "verdict"),
    [(0.1, DIFFERS), (0.9, NOT_SHOWN), (-3, NOT_SHOWN), (3, NOT_SHOWN), (None, NOT_SHOWN)],
)
def test_a_cancellation_that_did_not_come_is_a_difference(cancel_time, verdict) -> None:
    """If its time is past, and later than lastSync in any time zone."""
    time = cancel_time and days_ago(cancel_time)
    cancelled = row(21, status="CANCELLED", cancelTime=time)
    assert judged([*OLD, cancelled], by_creation)["lastSync: cancelled"].verdict == verdict


@pytest.mark.parametrize(
    ("is_change", "lists", "bound", "changed"),
    [
        (True, by_change, HOLDS, HOLDS),
        (False, by_change, NOT_SHOWN, NOT_SHOWN),
        (True, lambda _, since: since < NOW_MS - DAY_MS, NOT_SHOWN, NOT_SHOWN),
    ],
)
def test_a_time_of_creation_shows_nothing_of_changes(is_change, lists, bound, changed) -> None:
    """Only a row whose time is later than its creation shows what is compared."""
    timed = TimedRow(22, "cancelTime", NOW_MS - DAY_MS // 2, is_change=is_change)
    findings = judged([*OLD, {**NEW, "status": "CANCELLED"}], lists, timed)
    assert findings["lastSync: bound"].verdict == bound
    assert findings["lastSync: changed"].verdict == changed
    assert findings["lastSync: cancelled"].verdict == changed
