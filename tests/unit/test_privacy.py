"""What ``personal_data`` leaves of a row."""

from __future__ import annotations

import copy
import json
import logging
from typing import Any

import pytest

from bookio_api.schemas import stream_schema
from tap_bookio.records.field_warnings import FieldWarnings
from tap_bookio.records.privacy import Privacy, key_problem, pseudonym, published, without_omitted

KEY = "k" * 32
ROW = {
    "id": 7, "number": "a47b89", "name": "Ján", "surname": "Novák", "email": "jan@example.org",
    "phone": 421905123456, "note": None, "cancellationReason": "", "status": "CONFIRMED",
    "doctor": "MUDr. Nová",
}  # fmt: skip
PERSONAL = {"name", "surname", "email", "phone", "note", "cancellationReason"}


def privacy(mode: str, *, listed: tuple[str, ...] = (), stream: str = "reservations") -> Privacy:
    settings = {"personal_data": mode, "personal_data_key": KEY}
    schema = {"properties": {name: {} for name in listed}}
    warnings = FieldWarnings(stream, logging.getLogger("test"))
    return Privacy(stream_schema(stream), settings, schema, warnings)


def test_the_schema_declares_every_personal_field_of_a_reservation() -> None:
    fields = stream_schema("reservations")["properties"]
    assert {name for name, field in fields.items() if "x-personal" in field} == PERSONAL


def test_keep_keeps_all() -> None:
    assert privacy("keep").rows([ROW]) == [ROW]


def test_omit_leaves_no_personal_and_no_unknown_field() -> None:
    assert privacy("omit").rows([ROW]) == [{"id": 7, "number": "a47b89", "status": "CONFIRMED"}]


def test_pseudonymise_replaces_values_but_not_their_absence() -> None:
    [row] = privacy("pseudonymise").rows([ROW])
    assert row.keys() == ROW.keys() - {"doctor"}
    assert row["note"] is None
    assert row["cancellationReason"] == ""
    for field in ("name", "surname", "email", "phone"):
        assert len(row[field]) == 64
        assert row[field] != ROW[field]


def test_the_given_row_stays_as_it_is() -> None:
    given = dict(ROW)
    privacy("pseudonymise").rows([given])
    assert given == ROW


def test_a_field_that_the_catalog_lists_passes() -> None:
    [row] = privacy("omit", listed=("doctor", "email")).rows([ROW])
    assert row["doctor"] == "MUDr. Nová"
    assert "email" not in row, "a catalog cannot make a personal field harmless"


@pytest.mark.parametrize("hidden", [{"who": "Ján"}, ["Ján"], [{"who": "Ján"}]])
def test_a_container_where_none_is_due_is_not_let_through(hidden: Any) -> None:
    [row] = privacy("omit").rows([{"id": 1, "status": hidden, "service": hidden}])
    assert "Ján" not in str(row)


@pytest.mark.parametrize("mode", ["omit", "pseudonymise"])
def test_a_value_where_only_a_container_is_due_is_not_let_through(mode: str) -> None:
    calendar = {"id": 1, "services": ["Ján", 5, ["Ján"], {"id": 2}], "intervals": ["Ján"]}
    [row] = privacy(mode, stream="calendars").rows([calendar])
    assert row == {"id": 1, "services": [None, None, None, {"id": 2}], "intervals": [None]}
    [row] = privacy(mode, stream="facilities").rows([{"id": 1, "address": "Ján"}])
    assert row == {"id": 1, "address": None}


def test_a_nested_field_that_the_catalog_lists_passes() -> None:
    schema = stream_schema("calendars")
    listed = copy.deepcopy(schema)
    listed["properties"]["services"]["items"]["properties"]["extra"] = {"type": ["string", "null"]}
    warnings = FieldWarnings("calendars", logging.getLogger("test"))
    made = Privacy(schema, {"personal_data": "omit"}, listed, warnings)
    [row] = made.rows([{"id": 1, "services": [{"id": 2, "extra": "x", "note": "n", "boss": "b"}]}])
    assert row == {"id": 1, "services": [{"id": 2, "extra": "x"}]}


def test_what_a_mode_omits_a_catalog_cannot_list() -> None:
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
    [row] = privacy("omit", stream="calendars").rows([calendar])
    assert row == {"id": 1, "services": [{"id": 2, "name": "RTG"}]}


def test_each_unknown_field_is_reported_once_and_without_its_value(
    caplog: pytest.LogCaptureFixture,
) -> None:
    privacy("omit").rows([ROW, ROW])
    assert [record.getMessage().count("doctor") for record in caplog.records] == [1]
    assert "MUDr." not in caplog.text


def test_a_name_that_may_be_a_persons_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    names = ("Ján Novák", "forged\n2026 ERROR", "\x1b[31mred", "x" * 41, "Žofia", "_421905987654")
    privacy("omit").rows([{"id": 1, **dict.fromkeys(names, 1)}])
    assert [record.getMessage().count("unusual name") for record in caplog.records] == [1]
    for name in names:
        assert name not in caplog.text


def test_so_many_names_are_logged_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    made = privacy("omit")
    made.rows([{f"field{n}": 1} for n in range(1000)])
    assert len(caplog.records) == 21
    assert "no more are shown" in caplog.text
    assert len(made._warnings._warned) <= 21


@pytest.mark.parametrize("value", [0, False, 0.0])
def test_a_number_in_a_personal_field_is_no_absence(value: object) -> None:
    [row] = privacy("pseudonymise").rows([{"id": 1, "note": value}])
    assert len(row["note"]) == 64


@pytest.mark.parametrize("value", [None, "", "  ", "\t\n"])
def test_what_is_blank_stays_blank(value: object) -> None:
    assert privacy("pseudonymise").rows([{"id": 1, "note": value}]) == [{"id": 1, "note": value}]


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
def test_two_writings_are_one_person(kind: str, one: object, other: object) -> None:
    assert pseudonym(KEY.encode(), kind, one) == pseudonym(KEY.encode(), kind, other)


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
