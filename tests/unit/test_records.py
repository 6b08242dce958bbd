"""Rows that fit their schema: nothing known is lost, nothing surprising crashes."""

from __future__ import annotations

import copy
import tracemalloc
from typing import Any

import msgspec
import pytest

from bookio_api.localtime import OffsetClock, zone
from bookio_api.schemas import stream_schema
from tests.record_builders import BRATISLAVA, builder_of, record_of

CLOCK = OffsetClock(zone(BRATISLAVA))


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("phone", 421905123456, "421905123456"),
        ("number", None, None),
        ("number", True, "true"),
        ("duration", "30", 30),
        ("duration", 30.0, 30),
        ("duration", 30.5, None),
        ("duration", "half an hour", None),
        ("duration", True, None),
        ("duration", [30], None),
        ("serviceId", "17", 17),
        ("service", {"id": 1}, '{"id":1}'),
        ("service", ["a"], '["a"]'),
        ("dateFrom", 1530266400, None),
        ("dateFrom", "soon", None),
        ("dateFrom", {"a": 1}, None),
        ("dateFrom", "2018-06-29T12:00:00", "2018-06-29T12:00:00+02:00"),
        ("dateFrom", "2018-06-29 12:00 +0300", "2018-06-29T12:00:00+03:00"),
        ("dateFrom", "2018-06-29T12:00:00+99:00", None),
        ("dateFrom", "2018-06-29", "2018-06-29T00:00:00+02:00"),
        ("unknown", "2018-06-29T12:00:00", "2018-06-29T12:00:00+02:00"),
        ("unknown", "2018-06-29 12:00:00z", "2018-06-29T12:00:00Z"),
        ("unknown", "2018-06-29", "2018-06-29"),
        ("unknown", "2018-0042-11-7", "2018-0042-11-7"),
        ("unknown", "2018-06-29T12:00:00+99:00", "2018-06-29T12:00:00+99:00"),
        ("unknown", "on 2018-06-29T12:00:00", "on 2018-06-29T12:00:00"),
        ("unknown", {"deep": ["2018-06-29 12:00"]}, {"deep": ["2018-06-29T12:00:00+02:00"]}),
        ("unknown", 1.5, 1.5),
        ("unknown", None, None),
        ("unknown", True, True),
        ("unknown", ["a", None, 1], ["a", None, 1]),
        ("unknown", {}, {}),
    ],
)
def test_each_type_of_value_is_converted(field: str, value: object, expected: object) -> None:
    made = record_of({"id": 1, field: value})
    assert made == {"id": 1, field: expected}
    assert type(made[field]) is type(expected)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("externalId", 2**63 - 1, 2**63 - 1),
        ("externalId", -(2**63), -(2**63)),
        ("externalId", 2**63, None),
        ("externalId", -(2**63) - 1, None),
        ("externalId", 1e300, None),
        ("externalId", "9" * 19, None),
        ("externalId", "9" * 40, None),
        ("number", 2**63, "9223372036854775808"),
        ("unknown", 2**63, "9223372036854775808"),
        ("unknown", {"deep": [2**63, 1]}, {"deep": ["9223372036854775808", 1]}),
        ("unknown", 2**63 - 1, 2**63 - 1),
        ("unknown", 1e300, 1e300),
    ],
)
def test_integers_beyond_int64(
    field: str, value: object, expected: object, caplog: pytest.LogCaptureFixture
) -> None:
    """An integer beyond int64 is emitted as text if allowed, otherwise as null."""
    made = record_of({"id": 1, field: value})
    assert made == {"id": 1, field: expected}
    assert type(made[field]) is type(expected)
    if value != expected:
        assert f"the field {field} is" in caplog.text


@pytest.mark.parametrize(
    ("value", "expected"), [(2**63, 2.0**63), (10**400, None), ("1e999", None)]
)
def test_numbers_beyond_float64(value: object, expected: object) -> None:
    gps = {"latitude": value}
    made = record_of({"id": 1, "address": {"gps": gps}}, "facilities")
    assert made["address"]["gps"] == {"latitude": expected}


def test_the_rows_passed_in_are_not_changed() -> None:
    """The scan compares rows after they were emitted."""
    rows = [
        {"id": 1, "duration": "30", "service": {"id": 1}, "unknown": [["2018-06-29T12:00"], 2**64]},
        {"id": 2, "dateFrom": "2018-06-29T12:00:00", "note": None},
    ]
    before = copy.deepcopy(rows)
    for mode in ("keep", "pseudonymise", "omit"):
        builder_of("reservations", mode).records(rows, CLOCK)
        assert rows == before


def test_nested_fields_follow_their_schema() -> None:
    address = {"postcode": 82104, "gps": {"latitude": "48.1"}}
    made = record_of({"id": 1, "address": address}, "facilities")
    assert made["address"] == {"postcode": "82104", "gps": {"latitude": 48.1}}


def test_items_of_a_list_follow_their_schema() -> None:
    services = [{"id": "7", "duration": 44.0}, "RTG", None]
    made = record_of({"id": 1, "services": services}, "calendars")
    assert made["services"] == [{"id": 7, "duration": 44}, None, None]


@pytest.mark.parametrize(
    ("field", "listed", "value", "expected"),
    [
        ("loyaltyPoints", {"type": ["string", "null"]}, 3, "3"),
        ("loyaltyPoints", {"type": ["integer", "null"]}, "3", 3),
        (
            "paidAt",
            {"type": "string", "format": "date-time"},
            "2018-06-29",
            "2018-06-29T00:00:00+02:00",
        ),
        (
            "room",
            {"type": "object", "properties": {"id": {"type": "integer"}}},
            {"id": "7"},
            {"id": 7},
        ),
        ("anything", {}, [1, "a"], [1, "a"]),
        ("either", {"anyOf": [{"type": "integer"}, {"type": "string"}]}, "7", "7"),
        ("either", {"type": ["null", "integer", "string"]}, True, "true"),
        ("duration", {"type": ["string", "null"]}, 30, "30"),
        ("externalId", {"type": ["string", "null"]}, 2**63, "9223372036854775808"),
        ("service", {"type": ["object", "null"]}, {"id": 1}, {"id": 1}),
        ("dateFrom", {"type": ["string", "null"]}, "2018-06-29", "2018-06-29T00:00:00+02:00"),
    ],
)
def test_records_have_the_types_of_the_catalog(
    field: str, listed: dict[str, Any], value: object, expected: object
) -> None:
    """SCHEMA and RECORD agree where a catalog overrides a type or adds a field."""
    own = stream_schema("reservations")
    emitted = {**own, "properties": {**own["properties"], field: listed}}
    made = record_of({"id": 1, field: value}, emitted=emitted)
    assert made == {"id": 1, field: expected}
    assert type(made[field]) is type(expected)


def test_each_problem_of_a_field_warns_once_and_never_shows_the_value(
    caplog: pytest.LogCaptureFixture,
) -> None:
    builder = builder_of("reservations")
    for n in range(3):
        builder.records([{"id": n, "duration": "secret"}, {"id": n, "dateTo": "secret"}], CLOCK)
    assert len(caplog.records) == 2
    assert "secret" not in caplog.text


def test_an_unknown_field_warns_once_and_says_how_to_get_its_column(
    caplog: pytest.LogCaptureFixture,
) -> None:
    builder = builder_of("reservations")
    for n in range(3):
        builder.records([{"id": n, "loyaltyPoints": n}, {"id": n, "loyaltyPoints": None}], CLOCK)
    [warning] = caplog.records
    assert "loyaltyPoints is not in the schema" in warning.getMessage()
    assert "list it with its type in the catalog" in warning.getMessage()


def test_unknown_fields_inside_an_object_are_stored_with_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    row = {"id": 1, "address": {"street": "Dlhá", "floor": 3}}
    assert record_of(row, "facilities") == row
    assert caplog.records == []


def test_documented_types_are_converted_without_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    record_of({"id": 1, "address": {"postcode": 82104}}, "facilities")
    assert caplog.records == []


@pytest.mark.parametrize("fields", [50, 2000])
def test_the_cache_of_row_shapes_is_bounded(fields: int) -> None:
    """A server that never sends the same names twice does not fill the memory."""
    builder = builder_of("reservations")
    tracemalloc.start()
    try:
        for n in range(1_000_000 // fields // 10):
            row = {f"field{n}x{m}": m for m in range(fields)}
            builder.records([row], CLOCK)
        remembered, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert remembered < 3_000_000


@pytest.mark.parametrize("field", ["unknown", "service", "duration", "dateFrom"])
@pytest.mark.parametrize("levels", [99, 400, 950])
def test_deep_nesting_is_handled(field: str, levels: int, caplog: pytest.LogCaptureFixture) -> None:
    value = msgspec.json.decode("[" * levels + "]" * levels)
    made = record_of({"id": 1, field: value})
    if field == "unknown" and levels < 100:
        assert made == {"id": 1, field: value}
    elif levels > 100:
        assert made == {"id": 1, field: None}
        assert "left empty" in caplog.text
    assert record_of({"id": 1, "services": [value]}, "calendars")
