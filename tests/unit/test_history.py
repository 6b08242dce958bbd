"""Which records repeat their row's history, without a server."""

from __future__ import annotations

from typing import Any

import pytest

from target_bookio.journal.entry import REFUSED, Entry
from target_bookio.plan.history import is_history, may_be_history
from target_bookio.record_reader import read_record

ENTRY = Entry("reservations", "externalId:7")
START, OTHER_START = "2026-12-01T08:00:00", "2026-12-02T08:00:00"


def history(*wishes: str) -> Entry:
    return ENTRY._replace(past=wishes)


@pytest.mark.parametrize(
    ("past", "expected"),
    [
        ((), False),
        (("a",), False),
        (("b",), False),
        (("a", "b"), True),
        (("a", "b", "a"), False),
        ((f"{REFUSED}a",), False),
        ((f"{REFUSED}a", "b"), True),
        (("b", f"{REFUSED}a"), False),
        (("a", f"{REFUSED}b"), False),
        ((f"{REFUSED}a", "b", f"{REFUSED}a"), True),
    ],
)
def test_a_record_repeats_history_if_a_settled_one_followed(
    past: tuple[str, ...], expected: bool
) -> None:
    assert may_be_history(history(*past), "a") is expected


def test_refused_records_of_every_run_are_stored_once() -> None:
    entry = ENTRY.settled("a")
    for _ in range(3):
        entry = entry.settled("a").refused("b").refused("c")
    assert entry.past == ("a", f"{REFUSED}b", f"{REFUSED}c")
    assert entry.settled("d").refused("b").past[-2:] == ("d", f"{REFUSED}b")
    assert entry.last_settled == "a"


PAST = ("1", "2", f"{REFUSED}3", "4")


@pytest.mark.parametrize(
    ("record", "later", "expected"),
    [
        ({"status": "CANCELLED"}, [], False),
        ({"status": "CANCELLED"}, [{"dateFrom": START}], False),
        ({"status": "CANCELLED"}, [{"dateFrom": START}, {"status": "CONFIRMED"}], True),
        ({"dateFrom": START, "dateTo": OTHER_START}, [{"dateFrom": OTHER_START}], True),
        ({"dateFrom": START, "status": "CONFIRMED"}, [{"_sdc_deleted_at": "2026-11-01"}], True),
        ({"_sdc_deleted_at": "2026-11-01"}, [{"dateFrom": START}], False),
        ({"note": "hello"}, [{"dateFrom": START}], True),
    ],
)
def test_later_records_replace_one_if_they_set_all_that_it_sets(
    record: dict[str, Any], later: list[dict[str, Any]], expected: bool
) -> None:
    first, *others = (
        read_record("reservations", {"externalId": 7, **fields})._replace(wish=f"new {place}")
        for place, fields in enumerate((record, *later))
    )
    assert is_history(PAST, first, others) is expected


@pytest.mark.parametrize(
    ("later", "expected"), [("234", True), ("34", False), ("24", True), ("1124", True)]
)
def test_a_record_followed_by_the_same_one_as_before_is_history(later: str, expected: bool) -> None:
    first, *others = (
        read_record("reservations", {"externalId": 7, name: value})._replace(wish=wish)
        for wish, (name, value) in zip(
            f"1{later}", [("status", "CANCELLED"), *[("dateFrom", START)] * len(later)], strict=True
        )
    )
    assert is_history(PAST, first, others) is expected
