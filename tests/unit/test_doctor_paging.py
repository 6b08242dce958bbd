"""What the doctor concludes from pages of a list."""

from __future__ import annotations

import pytest

from bookio_doctor.finding import Finding, Verdict
from bookio_doctor.judgements.paging import judge_order, judge_paging
from bookio_doctor.observations import ListSeen, Paging, Survey
from tests.surveys import by_topic, listed, refused, survey

HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict
NO_TOTAL = object()


def rows(first: int, end: int) -> list[dict[str, object]]:
    return [{"id": number} for number in range(first, end)]


def seen(count: int, *, total: object = NO_TOTAL, page_size: int = 100, **pages: object) -> Survey:
    """Return what a list with so many rows showed, except for some of its pages."""
    first = rows(0, min(count, page_size))
    usual = {
        "limit_ten": listed(rows(0, min(count, 10))),
        "second_half": listed(rows(len(first) // 2, min(count, len(first) // 2 + 10))),
        "middle": len(first) // 2,
        "following": listed(rows(len(first), count)),
        "again": listed(first),
    }
    page = listed(first) if total is NO_TOTAL else listed(first, total=total)
    found = ListSeen(page.operation, (page,))
    return survey(
        lists={"list_reservations": found},
        page_size=page_size,
        paging=Paging(**{**usual, **pages}),
    )


def judged(topic: str, count: int, **parts: object) -> Finding:
    return by_topic(judge_paging(seen(count, **parts)))[topic]


@pytest.mark.parametrize(
    ("count", "second_half", "verdict"),
    [
        (230, listed(rows(50, 60)), HOLDS),
        (230, listed(rows(48, 58)), HOLDS),
        (230, listed(rows(0, 10)), BLOCKS),
        (230, listed([]), NOT_SHOWN),
        (230, listed(rows(200, 210)), NOT_SHOWN),
        (230, refused(), NOT_SHOWN),
        (4, listed(rows(0, 4)), NOT_SHOWN),
    ],
)
def test_an_ignored_offset_blocks(count, second_half, verdict) -> None:
    """Tap and target cannot read a list whose first page comes again and again."""
    assert judged("offset", count, second_half=second_half).verdict == verdict


@pytest.mark.parametrize(
    ("count", "limit_ten", "verdict"),
    [
        (230, listed(rows(0, 10)), HOLDS),
        (230, listed(rows(0, 230)), DIFFERS),
        (230, listed(rows(0, 5)), DIFFERS),
        (230, refused(), NOT_SHOWN),
        (7, listed(rows(0, 7)), NOT_SHOWN),
    ],
)
def test_an_ignored_limit_is_named(count, limit_ten, verdict) -> None:
    assert judged("limit", count, limit_ten=limit_ten).verdict == verdict


@pytest.mark.parametrize(
    ("count", "following", "verdict", "page_size"),
    [
        (100, listed([]), HOLDS, None),
        (50, listed(rows(50, 100)), DIFFERS, 50),
        (50, listed([]), NOT_SHOWN, None),
        (50, listed(rows(0, 50)), NOT_SHOWN, None),
        (50, refused(404, 12), NOT_SHOWN, None),
        (50, refused(503, None), NOT_SHOWN, None),
        (0, None, NOT_SHOWN, None),
    ],
)
def test_a_page_cap_is_shown_by_the_rows_that_follow(count, following, verdict, page_size) -> None:
    """With or without a total, which may count other rows."""
    for total in (NO_TOTAL, 690):
        finding = judged("page cap", count, total=total, following=following)
        assert finding.verdict == verdict
        assert finding.settings.get("page_size") == page_size


def test_a_page_cap_above_the_page_size_needs_no_setting() -> None:
    largest = listed(rows(0, 50))
    finding = judged("page cap", 230, page_size=20, largest=largest, following=listed(rows(50, 70)))
    assert finding.verdict == DIFFERS
    assert not finding.settings


@pytest.mark.parametrize(
    ("count", "total", "verdict"),
    [
        (230, 230, HOLDS),
        (4, 4, HOLDS),
        (4, 690, BLOCKS),
        (230, 5, DIFFERS),
        (230, 100, DIFFERS),
        (230, "230", DIFFERS),
        (230, [230], DIFFERS),
        (230, NO_TOTAL, DIFFERS),
    ],
)
def test_a_total_is_compared_with_the_rows(count, total, verdict) -> None:
    """With a total of more rows than can be read, the tap would call each run incomplete."""
    assert judged("total", count, total=total).verdict == verdict


@pytest.mark.parametrize(
    ("beyond_end", "verdict"),
    [
        (listed([]), HOLDS),
        (listed(rows(0, 10)), DIFFERS),
        (refused(), DIFFERS),
        (refused(503, None), NOT_SHOWN),
    ],
)
def test_a_page_beyond_the_end_is_empty(beyond_end, verdict) -> None:
    assert judged("beyond the end", 230, beyond_end=beyond_end).verdict == verdict


@pytest.mark.parametrize(
    ("first", "again", "verdict"),
    [
        (rows(0, 100), rows(0, 100), HOLDS),
        (rows(0, 100), rows(1, 101), HOLDS),
        (rows(0, 100), rows(0, 100)[::-1], DIFFERS),
        (rows(0, 100), rows(80, 180), DIFFERS),
        (rows(0, 3), rows(0, 3), NOT_SHOWN),
        (rows(0, 3), rows(0, 3)[::-1], DIFFERS),
        ([], [], NOT_SHOWN),
    ],
)
def test_a_few_rows_do_not_show_a_stable_order(first, again, verdict) -> None:
    """A random order repeats itself with three rows once in six times."""
    taken = survey(first, paging=Paging(again=listed(again)))
    assert by_topic(judge_order(taken))["order"].verdict == verdict


def test_an_order_by_objects_is_not_looked_for() -> None:
    """Values that cannot be compared must not end the report."""
    objects = [{"id": n * 7 % 10, "dateFrom": {"date": str(n)}} for n in range(10)]
    taken = survey(objects, paging=Paging(again=listed(objects)))
    assert (
        by_topic(judge_order(taken))["order"].seen
        == "two readings agree: by none of the fields tried"
    )
