"""Records with names and values in every form that sources use."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from bookio_api.localtime import zone
from target_bookio.desired import Desired, RecordError
from target_bookio.field_names import shown_name
from target_bookio.record_reader import key_of, read_record

BRATISLAVA = zone("Europe/Bratislava")
EIGHT = "2026-12-01T08:00:00"


def read(stream: str = "reservations", **record: Any) -> Desired:
    return read_record(stream, {"externalId": 7, **record})


def refused(stream: str = "reservations", **record: Any) -> RecordError:
    with pytest.raises(RecordError) as caught:
        read(stream, **record)
    return caught.value


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("DATEFROM", "dateFrom"),
        ("date_from", "dateFrom"),
        ("Date-From", "dateFrom"),
        ("SERVICE_ID", "serviceId"),
        ("facilityid", "facilityId"),
        ("cancellation_reason", "cancellationReason"),
        ("STATUS", "status"),
    ],
)
def test_common_spellings_of_a_column_name_are_recognised(column: str, field: str) -> None:
    value = {"dateFrom": EIGHT, "status": "CANCELLED", "cancellationReason": "x"}.get(field, 3)
    assert read(**{column: value}).values[field] == value


def test_two_spellings_of_one_field_must_agree() -> None:
    """If a record has two values for a field, neither is guessed."""
    assert read(dateFrom=EIGHT, date_from=EIGHT).values["dateFrom"] == EIGHT
    assert read(dateFrom=None, DATEFROM=EIGHT).values["dateFrom"] == EIGHT
    assert read(facilityId=3, facility_id="3").values["facilityId"] == 3
    error = refused(dateFrom=EIGHT, date_from="2026-12-02T08:00:00")
    assert "dateFrom, date_from" in str(error)
    assert error.fields == ("dateFrom",)


@pytest.mark.parametrize(
    ("column", "meant"),
    [
        ("dateForm", "dateFrom"),
        ("emial", "email"),
        ("cancel_reason", "cancellationReason"),
        ("external", "externalId"),
        ("deleted_at", "_sdc_deleted_at"),
        ("mail", "email"),
    ],
)
def test_a_misspelt_column_is_a_reject_that_suggests_the_field(column: str, meant: str) -> None:
    record = {"id": 5, column: "x"}
    with pytest.raises(RecordError, match=f"did you mean {meant}\\?") as caught:
        read_record("reservations", record)
    assert caught.value.fields == (column,)


@pytest.mark.parametrize(
    "record",
    [
        {"emial": None},
        {"emial": " "},
        {"email": "j@example.org", "mail": "x"},
        {"facility": {"id": 3}},
        {"price": 3},
        {"pid": 17},
        {"number": "a47b89", "created": "x"},
        {"_SDC_BATCHED_AT": "x"},
    ],
)
def test_unrelated_columns_are_ignored(record: dict[str, Any]) -> None:
    """Negative control: an empty or unrelated column does not cost a booking."""
    assert read(**record).key == "externalId:7"


def test_an_unknown_column_causes_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for other in ("a", "b"):
            read(referring_doctor="x", **{other: 1})
        read("blocked_times", number_of_chairs=3, **{"Jana\nNováková": 1})
    said = [r.getMessage() for r in caplog.records]
    assert sum("referring_doctor" in line for line in said) == 1
    assert any("blocked_times: the column number_of_chairs" in line for line in said)
    assert not any("Jana" in line for line in said)


@pytest.mark.parametrize(
    ("column", "is_shown"),
    [
        ("referring_doctor", True),
        ("_ab_cdc_lsn", True),
        ("visitNo", True),
        ("VISIT_NO2", True),
        ("public-visits", True),
        ("Kanárik", False),
        ("Kanarik", False),
        ("kanarik@a.sk", False),
        ("0905123456", False),
        ("tel_0905123456", False),
        ("Jana Nováková", False),
        ("jana nováková", False),
        ("x" * 65, False),
    ],
)
def test_a_column_name_is_shown_only_if_it_looks_like_an_identifier(
    column: str, is_shown: bool
) -> None:
    """Without a header line, the names of the columns are the first patient's data."""
    assert (shown_name(column) == column) is is_shown


@pytest.mark.parametrize("value", [17, 17.0, "17", " 17 ", "17.0", "+17"])
def test_a_whole_number_is_read_in_any_notation(value: object) -> None:
    assert read(serviceId=value).values["serviceId"] == 17


@pytest.mark.parametrize(
    "value",
    [17.5, "17.5", "17a", "1e3", True, float("nan"), float("inf"), 2**63, 1e300, [17], "٣"],
)
def test_a_number_that_is_not_whole_is_refused(value: object) -> None:
    """No digit is lost, and nothing is rounded."""
    error = refused(serviceId=value)
    assert error.fields == ("serviceId",)
    assert "a whole number" in str(error)


def test_large_numbers_keep_every_digit() -> None:
    assert read(serviceId="9007199254740993").values["serviceId"] == 9007199254740993
    assert refused(serviceId=9007199254740994.0).fields == ("serviceId",)


@pytest.mark.parametrize("field", ["serviceId", "dateFrom", "status", "_sdc_deleted_at"])
def test_a_blank_number_date_or_status_is_ignored(field: str) -> None:
    desired = read(**{field: " "})
    assert field not in desired.values
    assert not desired.deleted


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-01T08:00:00",
        "2026-12-01 08:00:00+01",
        "2026-12-01 08:00:00.123456+01",
        "2026-12-01T08:00:00+0100",
        "2026-12-01T07:00:00Z",
        "2026-12-01T07:00:00z",
        "2026-12-01 07:00:00 UTC",
        "2026-12-01 07:00:00+00",
        "2026-12-01 08:00",
        " 2026-12-01 08:00:00 ",
        "2026-12-01 08:00:00,5",
        "2026-12-01 08:00:00 +0100",
        "2026-12-01T08:00:00.000000000",
        "2026-12-01T02:00:00-05:00",
        "2026-12-01t08:00:00",
    ],
)
def test_dates_of_postgres_duckdb_csv_and_pandas_are_read(text: str) -> None:
    assert read(dateFrom=text).in_zone(BRATISLAVA).values["dateFrom"] == EIGHT


@pytest.mark.parametrize(
    ("text", "wall"),
    [
        ("2027-06-14T24:00:00", "2027-06-15T00:00:00"),
        ("2027-06-14 24:00", "2027-06-15T00:00:00"),
        ("2027-10-31T24:00:00+01:00", "2027-11-01T00:00:00"),
        ("2027-12-31T24:00:00", "2028-01-01T00:00:00"),
        ("2027-12-31", "2027-12-31T00:00:00"),
    ],
)
def test_24_00_is_midnight_of_the_next_day(text: str, wall: str) -> None:
    assert read(dateFrom=text).in_zone(BRATISLAVA).values["dateFrom"] == wall


@pytest.mark.parametrize(
    "text",
    [
        "2027-06-14T24:01:00",
        "0000-00-00 00:00:00",
        "2027-06-14T25:00:00",
        "2027-02-29T10:00:00",
        "2027-06-14T23:59:60",
        "infinity",
        "tomorrow",
        "1.12.2026",
        "now()",
        "2026-12-01T08:00:00X",
    ],
)
def test_an_invalid_date_is_refused_with_the_expected_form(text: str) -> None:
    error = refused(dateFrom=text)
    assert "expected a date and time such as" in str(error)
    assert text not in str(error)


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"])
def test_a_date_that_the_facilitys_calendar_lacks_is_refused(text: str) -> None:
    with pytest.raises(RecordError):
        read(dateFrom=text).in_zone(BRATISLAVA)


def test_only_wall_times_are_accepted_if_the_zone_is_unknown() -> None:
    """An instant is never converted by a guess; a wall time needs no conversion."""
    wall = read(dateFrom=EIGHT).in_zone(BRATISLAVA, is_known=False)
    assert wall.values["dateFrom"] == EIGHT
    for text in (f"{EIGHT}Z", f"{EIGHT}+01:00"):
        with pytest.raises(RecordError, match="time zone"):
            read(dateFrom=text).in_zone(BRATISLAVA, is_known=False)


def test_an_unknown_status_is_refused_with_a_list_of_the_valid_ones() -> None:
    assert "CONFIRMED, CANCELLED, DID_NOT_COME" in str(refused(status="gone"))


@pytest.mark.parametrize("mark", ["false", "0", 0, 1, False, True, "null", {}, 1725148800])
def test_an_invalid_deletion_mark_deletes_nothing(mark: object) -> None:
    error = refused(_sdc_deleted_at=mark)
    assert error.fields == ("_sdc_deleted_at",)
    assert "the time of the deletion" in str(error)


@pytest.mark.parametrize("mark", ["2026-09-01", "2026-09-01 00:00:00+00", "2026-09-01T00:00:00Z"])
@pytest.mark.parametrize("name", ["_sdc_deleted_at", "_SDC_DELETED_AT", "_Sdc_Deleted_At"])
def test_a_time_as_deletion_mark_deletes(name: str, mark: str) -> None:
    """Negative control of the two tests above."""
    assert read(**{name: mark}).deleted


@pytest.mark.parametrize("form", ["object", "text", "folded"])
def test_last_read_values_are_kept_apart_from_the_record(form: str) -> None:
    """A stale source can be distinguished from one with Bookio's current values."""
    said: Any = {"dateFrom": "2026-12-01T07:00:00Z", "dateTo": None, "status": "CONFIRMED"}
    if form == "text":
        said = json.dumps(said)
    if form == "folded":
        said = {"datefrom": "2026-12-01T07:00:00Z", "STATUS": "CONFIRMED"}
    desired = read(_bookio_expected=said).in_zone(BRATISLAVA)
    assert desired.expected == {"dateFrom": EIGHT, "status": "CONFIRMED"}
    assert "dateFrom" not in desired.values


@pytest.mark.parametrize("said", [[], "x", {"note": "x"}, {"dateFrom": "soon"}, 5, {"a": 1}])
def test_an_invalid_expected_value_is_a_reject(said: object) -> None:
    error = refused(_bookio_expected=said)
    assert error.fields == ("_bookio_expected",)
    assert "dateFrom, dateTo, status" in str(error)


def test_an_invalid_record_still_has_its_key() -> None:
    assert key_of("reservations", {"EXTERNAL_ID": "7", "dateFrom": "x"}) == {"externalId": 7}
    assert key_of("reservations", {"id": 5.0, "externalId": 7}) == {"id": 5}
    assert key_of("reservations", {"id": "Jana"}) == {"id": None}
    assert key_of("calendars", {"facility_id": 3}) == {"facilityId": 3, "name": None}
    assert key_of("anything", {"id": 5}) == {"id": None}
