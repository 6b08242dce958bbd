"""The effect of ``personal_data`` on rows."""

from __future__ import annotations

import copy
import hmac
import json
from typing import Any

import pytest

from bookio_api.localtime import OffsetClock, zone
from bookio_api.schemas import stream_schema
from tap_bookio.records.privacy import Pseudonyms, key_problem, published, without_omitted
from tests.record_builders import BRATISLAVA, KEY, builder_of, record_of

CLOCK = OffsetClock(zone(BRATISLAVA))
ROW = {
    "id": 7,
    "number": "a47b89",
    "name": "Ján",
    "surname": "Novák",
    "email": "jan@example.org",
    "phone": 421905123456,
    "note": None,
    "cancellationReason": "",
    "status": "CONFIRMED",
    "doctor": "MUDr. Nová",
}
PERSONAL = {"name", "surname", "email", "phone", "note", "cancellationReason"}


def listing(stream: str, **fields: Any) -> dict[str, Any]:
    """Return the schema of a catalog that lists fields more than the stream's own."""
    own = stream_schema(stream)
    return {**own, "properties": {**own["properties"], **fields}}


def test_the_schema_declares_every_personal_field_of_a_reservation() -> None:
    fields = stream_schema("reservations")["properties"]
    assert {name for name, field in fields.items() if "x-personal" in field} == PERSONAL


def test_keep_keeps_all() -> None:
    assert record_of(ROW) == {**ROW, "phone": "421905123456"}


def test_omit_leaves_no_personal_and_no_unknown_field() -> None:
    assert record_of(ROW, mode="omit") == {"id": 7, "number": "a47b89", "status": "CONFIRMED"}


def test_pseudonymise_replaces_values_but_not_their_absence() -> None:
    row = record_of(ROW, mode="pseudonymise")
    assert row.keys() == ROW.keys() - {"doctor"}
    assert row["note"] is None
    assert row["cancellationReason"] == ""
    for field in ("name", "surname", "email", "phone"):
        assert len(row[field]) == 64
        assert row[field] != ROW[field]


def test_the_row_passed_in_is_not_changed() -> None:
    row = dict(ROW)
    record_of(row, mode="pseudonymise")
    assert row == ROW


def test_a_field_that_the_catalog_lists_is_emitted() -> None:
    emitted = listing("reservations", doctor={"type": ["string", "null"]}, email={})
    row = record_of(ROW, mode="omit", emitted=emitted)
    assert row["doctor"] == "MUDr. Nová"
    assert "email" not in row, "a catalog cannot make a personal field harmless"


@pytest.mark.parametrize("hidden", [{"who": "Ján"}, ["Ján"], [{"who": "Ján"}]])
def test_an_unexpected_container_is_not_emitted(hidden: Any) -> None:
    row = record_of({"id": 1, "status": hidden, "service": hidden}, mode="omit")
    assert "Ján" not in str(row)


@pytest.mark.parametrize("mode", ["omit", "pseudonymise"])
def test_a_value_in_place_of_a_container_is_not_emitted(mode: str) -> None:
    calendar = {"id": 1, "services": ["Ján", 5, ["Ján"], {"id": 2}], "intervals": ["Ján"]}
    row = record_of(calendar, "calendars", mode)
    assert row == {"id": 1, "services": [None, None, None, {"id": 2}], "intervals": [None]}
    row = record_of({"id": 1, "address": "Ján"}, "facilities", mode)
    assert row == {"id": 1, "address": None}


def test_a_nested_field_that_the_catalog_lists_is_emitted() -> None:
    listed = copy.deepcopy(stream_schema("calendars"))
    listed["properties"]["services"]["items"]["properties"]["extra"] = {"type": ["string", "null"]}
    service = {"id": 2, "extra": "x", "note": "n", "boss": "b"}
    row = record_of({"id": 1, "services": [service]}, "calendars", "omit", emitted=listed)
    assert row == {"id": 1, "services": [{"id": 2, "extra": "x"}]}


@pytest.mark.parametrize("mode", ["omit", "pseudonymise"])
def test_what_an_object_holds_beside_its_listed_properties_is_not_emitted(mode: str) -> None:
    """A catalog that lists an object with one property says nothing about the others."""
    code = {"type": "object", "properties": {"code": {"type": "integer"}}}
    emitted = listing(
        "reservations",
        insurance=code,
        insurances={"type": "array", "items": code},
        insured={"type": "object"},
        insurer={"type": "string"},
    )
    held = {"code": 25, "holder": "Ján", "family": {"code": 1, "holder": "Ján"}}
    row = {"id": 1, "insurance": held, "insurances": [held], "insured": held, "insurer": held}
    assert record_of(row, mode=mode, emitted=emitted) == {
        "id": 1,
        "insurance": {"code": 25},
        "insurances": [{"code": 25}],
        "insured": held,  # listed as a whole
        "insurer": None,  # an object where the catalog expects a text
    }


def test_a_catalog_cannot_list_omitted_fields() -> None:
    for stream in ("reservations", "calendars", "blocked_times"):
        schema = stream_schema(stream)
        listed = json.loads(json.dumps(schema).replace("x-personal", "x-other"))
        listed["properties"]["extra"] = {"type": "string"}
        assert without_omitted(listed, schema, "keep") is listed
        left = without_omitted(listed, schema, "omit")
        assert "x-other" not in str(left)
        assert "extra" in left["properties"]


def test_nested_fields_follow_their_own_schema() -> None:
    calendar = {"id": 1, "services": [{"id": 2, "name": "RTG", "note": "for Ján", "boss": "Ján"}]}
    row = record_of(calendar, "calendars", "omit")
    assert row == {"id": 1, "services": [{"id": 2, "name": "RTG"}]}


def test_each_unknown_field_is_reported_once_and_without_its_value(
    caplog: pytest.LogCaptureFixture,
) -> None:
    builder_of("reservations", "omit").records([ROW, ROW], CLOCK)
    assert [record.getMessage().count("doctor") for record in caplog.records] == [1]
    assert "MUDr." not in caplog.text


def test_a_field_name_that_may_be_a_persons_name_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = ("Ján Novák", "forged\n2026 ERROR", "\x1b[31mred", "x" * 41, "Žofia", "_421905987654")
    record_of({"id": 1, **dict.fromkeys(names, 1)}, mode="omit")
    assert [record.getMessage().count("unusual name") for record in caplog.records] == [1]
    for name in names:
        assert name not in caplog.text


def test_the_number_of_logged_names_is_limited(caplog: pytest.LogCaptureFixture) -> None:
    builder_of("reservations", "omit").records([{f"field{n}": 1} for n in range(1000)], CLOCK)
    assert len(caplog.records) == 21
    assert "no more are shown" in caplog.text


@pytest.mark.parametrize("value", [0, False, 0.0])
def test_a_number_in_a_personal_field_is_not_treated_as_missing(value: object) -> None:
    row = record_of({"id": 1, "note": value}, mode="pseudonymise")
    assert len(row["note"]) == 64


@pytest.mark.parametrize("value", [None, "", "  ", "\t\n"])
def test_blank_values_stay_blank(value: object) -> None:
    row = {"id": 1, "note": value}
    assert record_of(row, mode="pseudonymise") == row


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("name", "Nov\u00adák", "Novák"),
        ("name", "\u200bNovák\ufeff", "Novák"),
        ("email", "<mailto:jan@example.org>", "jan@example.org"),
        ("email", "mailto:jan@example.org", "jan@example.org"),
        ("email", "Ján \u2039jan@example.org\u203a", "jan@example.org"),
        ("email", "jan@example.org.", "jan@example.org"),
        ("phone", 905987654.0, 905987654),
        ("phone", "0905 987\u200b654", "+421905987654"),
    ],
)
def test_two_spellings_are_one_person(kind: str, one: object, other: object) -> None:
    assert Pseudonyms(KEY).of(kind, one) == Pseudonyms(KEY).of(kind, other)


def test_omitted_fields_are_not_in_the_published_schema() -> None:
    for stream in ("reservations", "calendars", "blocked_times"):
        assert "x-personal" not in str(published(stream_schema(stream), "omit"))
        assert published(stream_schema(stream), "pseudonymise") == stream_schema(stream)


@pytest.mark.parametrize("key", [None, "", "short", "k" * 31])
def test_a_weak_key_is_refused_without_being_shown(key: str | None) -> None:
    problem = key_problem({"personal_data": "pseudonymise", "personal_data_key": key})
    assert problem is not None
    assert "personal_data_key" in problem
    assert not key or key not in problem.replace("personal_data_key", "")


def test_other_modes_need_no_key() -> None:
    assert key_problem({"personal_data": "omit"}) is None
    assert key_problem({}) is None


def test_a_pseudonym_is_the_hmac_of_the_normalised_value() -> None:
    """A pseudonym that is in a warehouse stays the same in every later release."""
    expected = hmac.digest(KEY.encode(), "name:novák".encode(), "sha256").hex()
    assert Pseudonyms(KEY).of("name", " NOVÁK ") == expected
    expected = hmac.digest(KEY.encode(), b"phone:+421905123456", "sha256").hex()
    assert Pseudonyms(KEY).of("phone", "0905 123 456") == expected


@pytest.mark.parametrize("emitted", [{"type": ["integer", "null"]}, {"type": "object"}, {}])
def test_no_type_of_a_catalog_lets_personal_data_through(emitted: dict[str, Any]) -> None:
    listed = listing("reservations", phone=emitted)
    row = {"id": 1, "phone": 421905123456}
    assert record_of(row, mode="omit", emitted=listed) == {"id": 1}
    assert "421905123456" not in str(record_of(row, mode="pseudonymise", emitted=listed))


@pytest.mark.parametrize("mode", ["omit", "pseudonymise"])
def test_the_text_of_an_object_with_personal_fields_is_not_emitted(mode: str) -> None:
    listed = listing("calendars", services={"type": ["string", "null"]})
    row = {"id": 1, "services": [{"id": 2, "note": "for Ján"}]}
    assert record_of(row, "calendars", mode, emitted=listed) == {"id": 1, "services": None}
