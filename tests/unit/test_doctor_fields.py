"""What the doctor concludes from the names and types of fields."""

from __future__ import annotations

import pytest

from bookio_doctor.finding import Verdict
from bookio_doctor.judgements.fields import judge_fields
from tests.surveys import by_topic, survey

HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict


def judged(**fields: object):
    return by_topic(judge_fields(survey([{"id": 1, **fields}])))


def test_fields_whose_names_are_not_shown_are_counted() -> None:
    """A name that is not plain ASCII may be a value, but the field must not be forgotten."""
    names = {"číslo": 1, "insurance-company": "24", "roomNumber": 7}
    finding = judged(**names)["reservations: fields"]
    assert "unknown: roomNumber (integer), 2 more, whose names are not shown;" in finding.seen
    assert finding.verdict == DIFFERS
    assert [change["path"] for change in finding.patch] == ["/properties/roomNumber"]
    assert "číslo" not in str(finding)


@pytest.mark.parametrize(
    ("field", "value", "effect"),
    [
        ("serviceId", {"id": 5}, "of type object, left empty"),
        ("serviceId", "five", "of type string, left empty"),
        ("serviceId", 2**63, "of type integer, left empty"),
        ("serviceId", "5", "of type string, converted"),
        ("duration", "30 min", "of type string, left empty"),
        ("duration", 30.0, "of type number, converted"),
        ("number", 17, "of type integer, converted"),
        ("service", {"id": 5}, "of type object, stored as JSON text"),
    ],
)
def test_a_known_field_of_another_type_is_a_difference(field, value, effect) -> None:
    """The report says what the tap makes of it."""
    finding = judged(**{field: value})["reservations: types"]
    assert finding.verdict == DIFFERS
    assert finding.seen == f"{field}: 1 of 1 are {effect}"
    assert ("loses" in finding.meaning) == ("left empty" in effect)


@pytest.mark.parametrize(("field", "value"), [("serviceId", 5), ("serviceId", None)])
def test_a_known_field_of_its_own_type_holds(field, value) -> None:
    assert judged(**{field: value})["reservations: types"].verdict == HOLDS


def test_types_are_not_shown_without_a_row() -> None:
    findings = by_topic(judge_fields(survey([])))
    assert findings["reservations: types"].verdict == NOT_SHOWN
    assert findings["reservations: fields"].verdict == NOT_SHOWN
