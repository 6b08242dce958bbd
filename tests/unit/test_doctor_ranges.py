"""What the doctor concludes from lists that are narrowed by day."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from bookio_doctor.finding import Verdict
from bookio_doctor.judgements.ranges import judge_ranges
from bookio_doctor.observations import Ranges
from tests.surveys import by_topic, listed, refused, survey

HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict
DAY = date.fromisoformat("2018-06-29")
AROUND = {"on_day": (0, 0), "until_day": (-1, 0), "since_day": (0, 1), "next_day": (1, 1)}


def judged(is_between, days=(-1, 0, 1), page_size: int = 100):
    """Judge a server that lists the rows of some days if they are between two days."""
    rows = [
        {"id": number, "dateFrom": f"{DAY + timedelta(days=day)}T12:00:00"}
        for number, day in enumerate(days)
    ]
    answers = {
        name: listed(
            [r for r, day in zip(rows, days, strict=True) if is_between(first, day, last)][
                :page_size
            ]
        )
        for name, (first, last) in AROUND.items()
    }
    taken = survey(rows, page_size=page_size, ranges=Ranges(day=DAY.isoformat(), **answers))
    return by_topic(judge_ranges(taken))["from, to"]


@pytest.mark.parametrize(
    ("is_between", "verdict", "seen"),
    [
        (lambda first, day, last: first <= day <= last, HOLDS, "both days are included"),
        (lambda first, day, last: first < day <= last, DIFFERS, "the first day is left out"),
        (lambda first, day, last: first <= day < last, DIFFERS, "the last day is left out"),
        (
            lambda first, day, last: first <= day <= last and first < last,
            DIFFERS,
            "a range of one day is empty",
        ),
        (
            lambda first, day, last: first < day < last,
            DIFFERS,
            "a day came neither as the first nor as the last one",
        ),
        (
            lambda *_: True,
            DIFFERS,
            "the rows of a day came for the next day, too",
        ),
        (
            lambda first, day, last: first - 1 <= day <= last,
            DIFFERS,
            "the rows of a day came for the next day, too",
        ),
        (
            lambda first, day, last: first <= day <= last + 1,
            DIFFERS,
            "rows of other days came, too",
        ),
    ],
)
@pytest.mark.parametrize("days", [(-1, 0, 1), (0, 1)])
def test_each_end_of_a_range_is_told_apart(is_between, verdict, seen, days) -> None:
    finding = judged(is_between, days)
    assert (finding.verdict, finding.seen) == (verdict, seen)


def test_ignored_filters_are_noticed_even_if_all_rows_are_of_one_day() -> None:
    assert judged(lambda *_: True, days=(0,)).verdict == DIFFERS


def test_a_day_that_may_be_on_a_later_page_is_not_left_out() -> None:
    """The day before fills the page, so whether the day itself would follow is unknown."""
    finding = judged(lambda first, day, last: first <= day < last, (-1, -1, 0), page_size=2)
    assert finding.verdict == NOT_SHOWN


@pytest.mark.parametrize(
    ("answer", "verdict"), [(refused(), DIFFERS), (refused(503, None), NOT_SHOWN)]
)
def test_refused_filters_are_not_called_a_list_without_dates(answer, verdict) -> None:
    refusals = Ranges(day=DAY.isoformat(), **dict.fromkeys(AROUND, answer))
    finding = by_topic(judge_ranges(survey([{"id": 1}], ranges=refusals)))["from, to"]
    assert finding.verdict == verdict
    assert "date" not in finding.seen
