"""Wall time of a facility <-> RFC 3339 with offset."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookio_api.errors import SettingsError
from bookio_api.localtime import OffsetClock, parse_datetime, to_epoch_ms, to_wall, zone

BRATISLAVA = zone("Europe/Bratislava")
zones = st.sampled_from(
    [
        "Europe/Bratislava",
        "Atlantic/Canary",
        "UTC",
        "Australia/Lord_Howe",
        "Asia/Kolkata",
        "America/St_Johns",
        "Asia/Manila",
        "Pacific/Apia",
    ]
)
walls = st.datetimes(*map(datetime.fromisoformat, ("1800-01-01", "2040-01-01"))).map(
    lambda moment: moment.replace(microsecond=0)
)
FORMS = [
    ("2018-06-29T12:00:00", "2018-06-29T12:00:00+02:00"),
    ("2018-12-29T12:00:00", "2018-12-29T12:00:00+01:00"),
    ("2018-06-29 12:00:00", "2018-06-29T12:00:00+02:00"),
    ("2018-06-29t12:00:00", "2018-06-29T12:00:00+02:00"),
    ("2018-06-29   12:00:00", "2018-06-29T12:00:00+02:00"),
    (" 2018-06-29T12:00:00\n", "2018-06-29T12:00:00+02:00"),
    ("2018-06-29T12:00", "2018-06-29T12:00:00+02:00"),
    ("20180629T120000", "2018-06-29T12:00:00+02:00"),
    ("2018-06-29", "2018-06-29T00:00:00+02:00"),
    ("2018-06-29T12:00:00.250", "2018-06-29T12:00:00.250+02:00"),
    ("2018-06-29T12:00:00,25", "2018-06-29T12:00:00.25+02:00"),
    ("2018-06-29T12:00:00.1234567890", "2018-06-29T12:00:00.123456789+02:00"),
    ("2018-06-29T12:00:00Z", "2018-06-29T12:00:00Z"),
    ("2018-06-29T12:00:00z", "2018-06-29T12:00:00Z"),
    ("2018-06-29T12:00Z", "2018-06-29T12:00:00Z"),
    ("2018-06-29 12:00:00 UTC", "2018-06-29T12:00:00Z"),
    ("2018-06-29 12:00:00 gmt", "2018-06-29T12:00:00Z"),
    ("2018-06-29T12:00:00+05:30", "2018-06-29T12:00:00+05:30"),
    ("2018-06-29T12:00+02:00", "2018-06-29T12:00:00+02:00"),
    ("2018-06-29T12:00:00+02", "2018-06-29T12:00:00+02:00"),
    ("2018-06-29T12:00:00-0330", "2018-06-29T12:00:00-03:30"),
    ("2018-06-29 12:00:00 +0200", "2018-06-29T12:00:00+02:00"),
    ("1890-06-29T12:00:00+00:57:44", "1890-06-29T12:00:00+00:58"),
    ("2018-06-29T12:00:00-00:00", "2018-06-29T12:00:00+00:00"),
    ("2018-06-29T12:00:00+15:59", "2018-06-29T12:00:00+15:59"),
    ("2018-06-29T24:00", "2018-06-30T00:00:00+02:00"),
    ("2018-12-31T24:00:00.000Z", "2019-01-01T00:00:00.000Z"),
    ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
]
"""Datetime formats of databases and programs, and the results."""
IMPOSSIBLE = [
    "2026-02-29T00:00:00",
    "2026-13-01",
    "2026-01-01T24:00:01",
    "2026-01-01T24:30",
    "2026-01-01T25:00:00",
    "2026-01-01T10:60:00",
    "2026-01-01T10:00:60",
    "2026-01-01T10:00:61",
    "9999-12-31T24:00:00",
    "0000-01-01T00:00:00",
    "2026-01-01T10:00:00+16:00",
    "2026-01-01T10:00:00+25:00",
    "2026-01-01T10:00:00-99:99",
    "2026-01-01T10:00:00+02:75",
    "2026-01-01T10:00:00+02:00:61",
    "2026-01-01T10:00:00 oops",
    "2026-01-01T10:00:00 CET",
    "2026-01-01Z",
    "2026-0101",
    "2026-01-01T10:0000",
    "1530266400",
    "tomorrow",
    "",
    "T10:00:00",
    "\uff12026-01-01",
    "2026-01-01T10:00:\u0660\u0660",
]


@pytest.mark.parametrize(
    ("wall", "expected"),
    [
        *FORMS,
        *((text, None) for text in IMPOSSIBLE),
        ("2026-03-29T01:59:59", "2026-03-29T01:59:59+01:00"),
        ("2026-03-29T02:30:00", "2026-03-29T02:30:00+01:00"),
        ("2026-03-29T03:00:00", "2026-03-29T03:00:00+02:00"),
        ("2026-10-25T02:30:00", "2026-10-25T02:30:00+02:00"),
        ("2026-10-25T03:00:00", "2026-10-25T03:00:00+01:00"),
        ("2028-02-29T00:00:00", "2028-02-29T00:00:00+01:00"),
        ("1880-01-01T00:00:00", "1880-01-01T00:00:00+00:58"),
    ],
)
def test_a_wall_time_gets_the_offset_of_its_zone(wall: str, expected: str | None) -> None:
    assert OffsetClock(BRATISLAVA).rfc3339(wall) == expected


@pytest.mark.parametrize(("text", "expected"), FORMS)
def test_every_function_reads_a_datetime_as_the_same_moment(text: str, expected: str) -> None:
    """Reading, writing back and comparing take a text for the same moment."""
    moment = datetime.fromisoformat(expected)
    parsed = parse_datetime(text)
    assert parsed.replace(tzinfo=parsed.tzinfo or BRATISLAVA) == moment
    assert to_epoch_ms(text, BRATISLAVA) == max(0, int(moment.timestamp() * 1000))
    assert to_wall(text, BRATISLAVA) == to_wall(expected, BRATISLAVA)


@pytest.mark.parametrize("text", IMPOSSIBLE)
def test_impossible_datetimes_are_errors(text: str) -> None:
    for parse in (
        parse_datetime,
        partial(to_wall, tz=BRATISLAVA),
        partial(to_epoch_ms, tz=BRATISLAVA),
    ):
        with pytest.raises(ValueError, match=r"not a|out of range|must be in"):
            parse(text)


@given(zones, st.lists(walls, min_size=1, max_size=20))
def test_a_caching_clock_agrees_with_a_new_one(name: str, moments: list[datetime]) -> None:
    clock = OffsetClock(zone(name))
    around = [moment + timedelta(minutes=m) for moment in moments for m in (0, 20, 60, 1439)]
    texts = [moment.isoformat() for moment in around + around]
    expected = [OffsetClock(zone(name)).rfc3339(text) for text in texts]
    assert [clock.rfc3339(text) for text in texts] == expected
    assert clock.rfc3339_all(texts) == expected


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["2026-01-01T09:00:00"],
        ["2026-01-01T09:00:00\n2026-01-01T09:00:0", ""],
        ["2026-01-01T09:00:00\n2026-01-01T09:00:00", ""],
        ["2026-01-01T09:00:0", "02026-01-01T09:00:00"],
        ["2026-01-01T09:00:00", "2026-01-01T09:60:00"],
        ["2026-01-01T24:00:00", "2026-01-01T29:00:00"],
        ["2026-01-01T09:00:00", "2026-01-01 09:00:00"],
        ["2026-01-01T09:00:00", "2026-01-01T09:00:0\u0661"],
        ["2026-01-01T09:00:00", "2026-02-30T09:00:00"],
    ],
)
def test_converting_many_texts_at_once_equals_converting_each(texts: list[str]) -> None:
    """One match over many texts takes no impossible one for a datetime."""
    clock = OffsetClock(BRATISLAVA)
    clock.rfc3339("2026-01-01T09:00:00")
    assert clock.rfc3339_all(texts) == [OffsetClock(BRATISLAVA).rfc3339(text) for text in texts]


@given(zones, walls)
def test_a_wall_time_survives_the_round_trip_in_any_year(name: str, moment: datetime) -> None:
    """A wall time that was read is written back as the same wall time, in any year."""
    wall, tz = moment.isoformat(), zone(name)
    with_offset = OffsetClock(tz).rfc3339(wall)
    assert with_offset is not None
    assert to_wall(with_offset, tz) == wall


@pytest.mark.parametrize(
    ("text", "wall"),
    [
        ("2026-03-29T01:30:00Z", "2026-03-29T02:30:00"),
        ("2026-03-29T01:30:00+00:00", "2026-03-29T01:30:00"),
        ("2026-03-29T01:30:00+01:00", "2026-03-29T00:30:00"),
        ("2026-10-25T01:30:00+01:00", "2026-10-25T01:30:00"),
        ("2026-10-25T01:30:00+00:00", "2026-10-25T01:30:00"),
        ("2026-03-29T00:30:00Z", "2026-03-29T00:30:00"),
        ("2026-07-01T12:00:00Z", "2026-07-01T13:00:00"),
        ("2026-07-01T12:00:00+01:00", "2026-07-01T12:00:00"),
    ],
)
def test_conversion_to_wall_time_and_back_is_lossless(text: str, wall: str) -> None:
    assert to_wall(text, zone("Europe/London")) == wall


@given(st.text(max_size=25) | st.text("0123456789-:+TtZz ., UTC", max_size=35))
def test_no_text_raises_an_exception(text: str) -> None:
    made = OffsetClock(BRATISLAVA).rfc3339(text)
    assert made is None or datetime.fromisoformat(made).utcoffset() is not None


def test_a_day_of_a_clock_change_is_not_cached_as_one_offset() -> None:
    clock = OffsetClock(BRATISLAVA)
    assert clock.rfc3339("2026-03-29T01:00:00") == "2026-03-29T01:00:00+01:00"
    assert clock.rfc3339("2026-03-29T04:00:00") == "2026-03-29T04:00:00+02:00"
    assert clock.rfc3339("2026-03-28T04:00:00") == "2026-03-28T04:00:00+01:00"


@pytest.mark.parametrize("text", IMPOSSIBLE)
def test_an_impossible_time_on_a_cached_day_is_refused(text: str) -> None:
    clock = OffsetClock(BRATISLAVA)
    clock.rfc3339("2026-01-01T09:00:00")
    assert clock.rfc3339(text) is None


def test_a_start_date_without_offset_is_local_to_the_facility() -> None:
    assert to_epoch_ms("2026-09-01", BRATISLAVA) == 1788213600000
    assert to_epoch_ms("2026-09-01T00:00:00Z", BRATISLAVA) == 1788220800000


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Europe/Bratislava", "Europe/Bratislava"),
        (" Europe/Bratislava ", "Europe/Bratislava"),
        ("europe/london", "Europe/London"),
        ("EUROPE/LONDON", "Europe/London"),
        ("America/New York", "America/New_York"),
        ("GMT Standard Time", "Europe/London"),
        ("Central Europe Standard Time", "Europe/Budapest"),
        ("central europe  standard time", "Europe/Budapest"),
        ("utc", "UTC"),
    ],
)
def test_other_spellings_of_a_zone_are_recognised(name: str, key: str) -> None:
    moment = datetime.fromisoformat("2026-07-01T12:00:00")
    assert moment.replace(tzinfo=zone(name)).utcoffset() == (
        moment.replace(tzinfo=ZoneInfo(key)).utcoffset()
    )


@pytest.mark.parametrize(
    "name", ["Bratislava", "", "../etc/passwd", "Europe/Nowhere", "Europe", "a\0", "\ud83d"]
)
def test_an_unknown_zone_is_a_settings_error(name: str) -> None:
    with pytest.raises(SettingsError, match="not an IANA time zone"):
        zone(name)
