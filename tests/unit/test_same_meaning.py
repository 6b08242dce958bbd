"""Values with the same meaning are equal, in whatever form they are written."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from target_bookio.plan.same_meaning import covers, means_the_same

PHONE = "+421905123456"
MONDAY = {"day": "MONDAY", "from": "08:00", "to": "12:00"}
FRIDAY = {"day": "FRIDAY", "from": "08:00", "to": "12:00"}


@pytest.mark.parametrize(
    ("field", "ours", "theirs"),
    [
        *(
            ("phone", written, PHONE)
            for written in (
                "0905 123 456",
                "00421905123456",
                "(0905) 123 456",
                "+421 (0)905 123 456",
                "+421.905.123.456",
                "421905123456",
                "0905/123-456",
                "\u00a00905\u00a0123456",
            )
        ),
        ("phone", 421905123456, PHONE),
        ("phone", "ask Jana", "Ask  jana"),
        ("name", unicodedata.normalize("NFD", "Ján"), "Ján"),
        ("name", "ján", "JÁN"),
        ("surname", "Veľká\u00a0Novotná", "Veľká  Novotná "),
        ("email", "Jana@Example.org", "jana@example.org"),
        ("note", "A &amp; B", "A & B"),
        ("note", "first\r\nsecond ", "first\nsecond"),
        ("note", "", None),
        ("facilityId", "17", 17),
        ("serviceId", 17.0, 17),
        ("serviceId", "17.0", 17),
        ("validFrom", "2026-12-01", "2026-12-01T00:00:00"),
        ("dateFrom", "2026-12-01 08:00", "2026-12-01T08:00:00"),
        ("intervals", [FRIDAY, MONDAY], [MONDAY, FRIDAY]),
        ("intervals", [{**MONDAY, "from": "08:00:00"}], [MONDAY]),
    ],
)
def test_values_with_the_same_meaning_are_equal(field: str, ours: Any, theirs: Any) -> None:
    """Values that differ only in notation are equal, whichever side uses which."""
    assert means_the_same(field, ours, theirs)
    assert means_the_same(field, theirs, ours)


@pytest.mark.parametrize(
    ("field", "ours", "theirs"),
    [
        ("phone", "0905 123 457", PHONE),
        ("phone", "+420905123456", PHONE),
        ("phone", None, PHONE),
        ("name", "Jana", "Jan"),
        ("note", "a", "A"),
        ("note", "x", None),
        ("email", "jana@example.org", "jana@example.com"),
        ("facilityId", 17, 18),
        ("facilityId", "17a", 17),
        ("serviceId", True, 1),
        ("dateFrom", "2026-12-01T08:00:00", "2026-12-01T08:00:01"),
        ("intervals", [MONDAY, MONDAY], [MONDAY, FRIDAY]),
        ("intervals", [MONDAY], [MONDAY, FRIDAY]),
        ("services", [{"name": "RTG"}], [{"name": "RTG", "id": 5}]),
    ],
)
def test_values_with_different_meanings_differ(field: str, ours: Any, theirs: Any) -> None:
    """The negative control: a real difference is seen from both sides."""
    assert not means_the_same(field, ours, theirs)
    assert not means_the_same(field, theirs, ours)


def test_extra_fields_in_bookios_value_are_not_a_difference() -> None:
    """A calendar's service keeps its id when the record only names it; order does not matter."""
    theirs = [{"id": 5, "name": "RTG", "duration": 15}, {"id": 6, "name": "CT", "duration": 30}]
    assert covers(theirs, [{"name": "CT", "duration": "30"}, {"name": "RTG", "duration": 15.0}])
    assert not covers(theirs, [{"name": "CT"}, {"name": "MR"}])
    assert not covers(theirs, [{"name": "CT"}])
    assert not covers({"name": "MUDr. Nová"}, {"name": "MUDR. NOVÁ"}), "a calendar can be renamed"
