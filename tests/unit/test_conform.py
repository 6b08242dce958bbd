"""Rows that fit their schema: nothing known is lost, nothing surprising crashes."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest

from bookio_api.localtime import OffsetClock, zone
from bookio_api.schemas import stream_schema
from tap_bookio.records.conform import Conformer
from tap_bookio.records.field_warnings import FieldWarnings

CLOCK = OffsetClock(zone("Europe/Bratislava"))


def conformer_of(stream: str) -> Conformer:
    return Conformer(stream_schema(stream), FieldWarnings(stream, logging.getLogger("conform")))


def conformed(row: dict[str, Any], stream: str = "reservations") -> dict[str, Any]:
    conformer = conformer_of(stream)
    given = {**row}
    [made] = conformer.rows([row], CLOCK)
    assert row == given, "the scan compares the rows it saw"
    return made


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("phone", 421905123456, "421905123456"), ("number", None, None), ("number", True, "true"),
        ("duration", "30", 30), ("duration", 30.0, 30), ("duration", 30.5, None),
        ("duration", "half an hour", None), ("duration", True, None), ("duration", [30], None),
        ("serviceId", "17", 17), ("service", {"id": 1}, '{"id":1}'), ("service", ["a"], '["a"]'),
        ("dateFrom", 1530266400, None), ("dateFrom", "soon", None),
        ("dateFrom", "2018-06-29T12:00:00", "2018-06-29T12:00:00+02:00"),
        ("unknown", "2018-06-29T12:00:00", "2018-06-29T12:00:00+02:00"),
        ("unknown", "on 2018-06-29T12:00:00", "on 2018-06-29T12:00:00"),
        ("unknown", {"deep": ["2018-06-29 12:00"]}, {"deep": ["2018-06-29T12:00:00+02:00"]}),
        ("unknown", 1.5, 1.5), ("unknown", None, None), ("unknown", True, True),
    ],
)  # fmt: skip
def test_each_kind_of_value(field: str, value: object, expected: object) -> None:
    made = conformed({"id": 1, field: value})
    assert made == {"id": 1, field: expected}
    assert type(made[field]) is type(expected)


def test_nested_fields_follow_their_schema() -> None:
    made = conformed({"id": 1, "address": {"postcode": 82104, "gps": {"latitude": "48.1"}}},
                     "facilities")  # fmt: skip
    assert made["address"] == {"postcode": "82104", "gps": {"latitude": 48.1}}


def test_each_field_warns_once_and_never_says_the_value(caplog: pytest.LogCaptureFixture) -> None:
    conformer = conformer_of("reservations")
    for n in range(3):
        conformer.rows([{"id": n, "duration": "secret"}, {"id": n, "dateTo": "secret"}], CLOCK)
    assert len(caplog.records) == 2
    assert "secret" not in caplog.text


def test_what_the_vendor_documents_is_converted_without_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    conformed({"id": 1, "address": {"postcode": 82104}}, "facilities")
    assert caplog.records == []


def test_the_memory_of_forms_is_bounded() -> None:
    conformer = conformer_of("reservations")
    conformer.rows([{"id": 1, f"field{n}": n} for n in range(500)], CLOCK)
    assert 0 < len(conformer._root.work) <= 200
    conformer._root.work.clear()
    conformer.rows([{f"field{n}": n for n in range(1001)}], CLOCK)
    assert not conformer._root.work


@pytest.mark.parametrize("field", ["unknown", "service", "duration", "dateFrom"])
@pytest.mark.parametrize("levels", [99, 400, 950])
def test_deep_nesting_does_no_harm(
    field: str, levels: int, caplog: pytest.LogCaptureFixture
) -> None:
    value = msgspec.json.decode("[" * levels + "]" * levels)
    made = conformer_of("reservations").rows([{"id": 1, field: value}], CLOCK)
    if field == "unknown" and levels < 100:
        assert made == [{"id": 1, field: value}]
    elif levels > 100:
        assert made == [{"id": 1, field: None}]
        assert "nested too deep" in caplog.text
    deep = {"id": 1, "services": [value]}
    assert conformer_of("calendars").rows([deep], CLOCK)
