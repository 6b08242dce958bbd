"""What the doctor concludes from the datetimes in rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bookio_doctor.finding import Verdict
from bookio_doctor.judgements.times import form_of, judge_times
from tests.surveys import by_topic, survey

HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict
BRATISLAVA, LOS_ANGELES = ZoneInfo("Europe/Bratislava"), ZoneInfo("America/Los_Angeles")
TERMS = [datetime.fromisoformat(f"2018-06-29T{8 + n % 8:02}:00:00") for n in range(40)]


def judged(starts: list[object], tz: ZoneInfo = BRATISLAVA, **other: object):
    rows = [{"id": n, "dateFrom": start, **other} for n, start in enumerate(starts)]
    return by_topic(judge_times(survey(rows, facility={"id": 1, "timeZone": tz.key})))


def in_utc(term: datetime, tz: ZoneInfo) -> datetime:
    return term.replace(tzinfo=tz).astimezone(UTC).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("start", "form"),
    [
        ("2018-06-29T12:00:00", "form 9999-99-99T99:99:99"),
        ("2018-06-29T12:00:00Z", "form 9999-99-99T99:99:99Z"),
        ("29.06.2018 12:00", "form 99.99.9999 99:99"),
        ("Friday 29 June 2018", "form x 99 x 9999"),
        ("Kanárikova Tereza-Zuzana", "form x x-x"),
        ("zuzana@patient.example +421905", "form x?x.x +999999"),
        ("٣٤ ²", "form 99 x"),
        ("1" * 100, f"form {'9' * 32}…"),
        (1530266400, "form (integer)"),
        ({"date": "2018-06-29 12:00:00"}, "form (object)"),
    ],
)
def test_a_form_contains_nothing_of_the_value(start, form) -> None:
    """No letter but T and Z inside a datetime, no digit, and no text of any length."""
    assert judged([start])["datetimes"].seen.partition(";")[0] == form


def test_only_a_few_forms_are_shown() -> None:
    finding = judged(["2018", "20", "1.", "1/", "1,"])["datetimes"]
    assert finding.seen.startswith("form ")
    assert "and 2 more" in finding.seen


def test_a_mark_inside_a_word_is_masked() -> None:
    assert form_of("Tereza Z") == "x x"


@pytest.mark.parametrize(
    ("starts", "verdict"),
    [
        (["2018-06-29T12:00:00", "2018-06-30T12:00:00"], HOLDS),
        (["2018-06-29T12:00:00", "2018-06-30 12:00"], DIFFERS),
        (["2018-06-29T12:00:00", "2018-02-30T12:00:00"], DIFFERS),
        (["2018-06-29T12:00:00", 1530266400], DIFFERS),
        ([1530266400, 1530266500], BLOCKS),
        ([{"date": "2018-06-29 12:00:00"}], BLOCKS),
        (["29.06.2018 12:00"], BLOCKS),
        ([None], NOT_SHOWN),
        ([], NOT_SHOWN),
    ],
)
def test_datetimes_are_tried_with_the_taps_own_parser(starts, verdict) -> None:
    """What the tap would leave empty is a difference; a list without a single start blocks."""
    assert judged(starts)["datetimes"].verdict == verdict


def test_every_datetime_of_a_row_is_tried() -> None:
    finding = judged(["2018-06-29T12:00:00"], created=1530266400)["datetimes"]
    assert finding.verdict == DIFFERS
    assert "reservations.created: 1 of 1 left empty" in finding.seen


@pytest.mark.parametrize(
    ("starts", "tz", "verdict"),
    [
        ([t.isoformat() for t in TERMS], LOS_ANGELES, HOLDS),
        ([in_utc(t, LOS_ANGELES).isoformat() for t in TERMS], LOS_ANGELES, DIFFERS),
        ([t.isoformat() for t in TERMS], BRATISLAVA, NOT_SHOWN),
        ([in_utc(t, BRATISLAVA).isoformat() for t in TERMS], BRATISLAVA, NOT_SHOWN),
        ([f"{in_utc(t, BRATISLAVA).isoformat()}Z" for t in TERMS], BRATISLAVA, DIFFERS),
        ([f"{t.isoformat()}+02:00" for t in TERMS], BRATISLAVA, HOLDS),
        ([f"{t.isoformat()}+03:00" for t in TERMS], BRATISLAVA, DIFFERS),
        ([t.isoformat() for t in TERMS[:3]], LOS_ANGELES, NOT_SHOWN),
        ([(t - timedelta(hours=6)).isoformat() for t in TERMS], BRATISLAVA, DIFFERS),
        (["0001-01-01T05:00:00"] * 20, LOS_ANGELES, NOT_SHOWN),
        (["29.06.2018 12:00"] * 20, BRATISLAVA, NOT_SHOWN),
        ([1530266400] * 20, BRATISLAVA, NOT_SHOWN),
    ],
)
def test_times_are_local_only_if_they_could_not_be_utc(starts, tz, verdict) -> None:
    """Opening hours that suit both local time and UTC show nothing."""
    assert judged(starts, tz)["opening hours"].verdict == verdict
