"""Wall time of a facility <-> RFC 3339 with offset."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookio_api.errors import SettingsError
from bookio_api.localtime import OffsetClock, to_epoch_ms, to_wall, zone

BRATISLAVA = zone("Europe/Bratislava")
zones = st.sampled_from(
    ["Europe/Bratislava", "Atlantic/Canary", "UTC", "Australia/Lord_Howe", "Asia/Kolkata",
     "America/St_Johns"]
)  # fmt: skip
walls = st.datetimes(*map(datetime.fromisoformat, ("2000-01-01", "2040-01-01"))).map(
    lambda moment: moment.replace(microsecond=0)
)


@pytest.mark.parametrize(
    ("wall", "expected"),
    [
        ("2018-06-29T12:00:00", "2018-06-29T12:00:00+02:00"),
        ("2018-12-29T12:00:00", "2018-12-29T12:00:00+01:00"),
        ("2018-06-29 12:00:00", "2018-06-29T12:00:00+02:00"),
        ("2018-06-29T12:00", "2018-06-29T12:00:00+02:00"),
        ("2018-06-29", "2018-06-29T00:00:00+02:00"),
        ("2018-06-29T12:00:00.250", "2018-06-29T12:00:00.250+02:00"),
        ("2018-06-29T12:00:00Z", "2018-06-29T12:00:00Z"),
        ("2018-06-29T12:00:00+05:30", "2018-06-29T12:00:00+05:30"),
        ("2026-03-29T01:59:59", "2026-03-29T01:59:59+01:00"),
        ("2026-03-29T02:30:00", "2026-03-29T02:30:00+01:00"),
        ("2026-03-29T03:00:00", "2026-03-29T03:00:00+02:00"),
        ("2026-10-25T02:30:00", "2026-10-25T02:30:00+02:00"),
        ("2026-10-25T03:00:00", "2026-10-25T03:00:00+01:00"),
        ("2028-02-29T00:00:00", "2028-02-29T00:00:00+01:00"),
        ("2026-02-29T00:00:00", None), ("2026-01-01T24:00:00", None), ("2026-01-01T10:60:00", None),
        ("2026-01-01T10:00:00 oops", None), ("tomorrow", None), ("", None),
        ("\uff12026-01-01", None),
    ],
)  # fmt: skip
def test_offsets(wall: str, expected: str | None) -> None:
    assert OffsetClock(BRATISLAVA)[wall] == expected


@given(zones, st.lists(walls, min_size=1, max_size=20))
def test_a_clock_that_remembers_says_what_a_new_one_says(
    name: str, moments: list[datetime]
) -> None:
    clock = OffsetClock(zone(name))
    around = [moment + timedelta(minutes=m) for moment in moments for m in (0, 20, 60, 1439)]
    for moment in around + around:
        wall = moment.isoformat()
        assert clock[wall] == OffsetClock(zone(name))[wall]


@given(zones, walls)
def test_there_and_back(name: str, moment: datetime) -> None:
    wall, tz = moment.isoformat(), zone(name)
    with_offset = OffsetClock(tz)[wall]
    assert with_offset is not None
    assert to_wall(with_offset, tz) == wall


@given(st.text(max_size=25))
def test_no_text_breaks_the_clock(text: str) -> None:
    made = OffsetClock(BRATISLAVA)[text]
    assert made is None or datetime.fromisoformat(made.upper()).utcoffset() is not None


def test_a_day_that_changes_its_clock_is_not_remembered_as_one() -> None:
    clock = OffsetClock(BRATISLAVA)
    assert clock["2026-03-29T01:00:00"] == "2026-03-29T01:00:00+01:00"
    assert clock["2026-03-29T04:00:00"] == "2026-03-29T04:00:00+02:00"
    assert clock["2026-03-28T04:00:00"] == "2026-03-28T04:00:00+01:00"


def test_a_naive_start_is_the_facilitys_own() -> None:
    assert to_epoch_ms("2026-09-01", BRATISLAVA) == 1788213600000
    assert to_epoch_ms("2026-09-01T00:00:00Z", BRATISLAVA) == 1788220800000


@pytest.mark.parametrize("name", ["Bratislava", "", "../etc/passwd", "Europe/Nowhere"])
def test_a_zone_that_is_none(name: str) -> None:
    with pytest.raises(SettingsError, match="IANA"):
        zone(name)
