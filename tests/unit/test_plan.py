"""Plans from a record, a row and the journal: every case, without a server."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from bookio_api.localtime import zone
from target_bookio.desired import RecordError
from target_bookio.journal.entry import EXISTS, UNKNOWN, Entry
from target_bookio.plan.comparison import agreed_after_match
from target_bookio.plan.operations import Step, after, fixed_values
from target_bookio.plan.plan import Plan, PlanKind
from target_bookio.plan.planner import Planner
from target_bookio.record_reader import read_record
from target_bookio.refresh.listed_row import mirrored

WRITE, UNCHANGED, CONFLICT, REJECT = (
    PlanKind.WRITE,
    PlanKind.UNCHANGED,
    PlanKind.CONFLICT,
    PlanKind.REJECT,
)
BRATISLAVA = zone("Europe/Bratislava")
STATUSES = ("CONFIRMED", "CANCELLED", "DID_NOT_COME")
OTHER_TERM = "2026-12-02T09:00:00"
BOOKING = {
    "externalId": 7,
    "facilityId": 1,
    "serviceId": 3,
    "name": "J",
    "surname": "N",
    "locale": "sk",
    "email": "j@example.org",
    "phone": "0905 123 456",
    "dateFrom": "2026-12-01T08:00:00+01:00",
}
ROW = {**BOOKING, "id": 5, "dateFrom": "2026-12-01T08:00:00", "status": "CONFIRMED"}
BLOCK = {
    "externalId": 7,
    "facilityId": 1,
    "dateFrom": "2026-12-01T08:00:00",
    "dateTo": "2026-12-01T09:00:00",
    "note": "-",
}


def digest(value: object) -> str:
    return json.dumps(value)


def planned(
    record: dict[str, Any],
    row: dict[str, Any] | None,
    stream: str = "reservations",
    *,
    entry: Entry | None = None,
    source_wins: bool = False,
) -> Plan:
    desired = read_record(stream, record).in_zone(BRATISLAVA)
    there = row and mirrored(stream, row, None, BRATISLAVA, digest)
    return Planner(digest, source_wins).plan(desired, there, entry)


def ours(row: dict[str, Any]) -> Entry:
    """Return the entry of a row that was created from here and agreed with."""
    desired = read_record("reservations", BOOKING).in_zone(BRATISLAVA)
    agreed, _ = agreed_after_match(desired, row, digest)
    agreed |= {EXISTS: digest(fixed_values(desired)), "status": digest(row["status"])}
    return Entry("reservations", "externalId:7", 1, 5, 7, agreed)


def operations(made: Plan) -> list[str]:
    return [step.operation for step in made.steps]


def test_a_new_booking_is_created_with_wall_time_and_nothing_else() -> None:
    [step] = planned({**BOOKING, "number": "a47b89", "note": None}, None).steps
    assert step == Step("create_reservation", {**BOOKING, "dateFrom": "2026-12-01T08:00:00"})


@pytest.mark.parametrize("name", sorted(set(BOOKING) - {"externalId"}))
def test_missing_fields_of_a_creation_are_named(name: str) -> None:
    made = planned({**BOOKING, name: None}, None)
    assert (made.kind, made.fields) == (REJECT, (name,))


TERMS = ("2026-12-01T08:00:00", OTHER_TERM)


@pytest.mark.parametrize(
    ("wanted", "term", "has", "deleted"),
    list(itertools.product((None, *STATUSES), TERMS, STATUSES, (False, True))),
)
def test_every_change_of_status_and_term_has_its_operations(
    wanted: str | None, term: str, has: str, deleted: bool
) -> None:
    """An agreed value is changed, and afterwards nothing is left to do."""
    record = {**BOOKING, "status": wanted, "dateFrom": term}
    record["_sdc_deleted_at"] = "2026-11-01" if deleted else None
    row = {**ROW, "status": has}
    made = planned(record, row, entry=ours(row))
    if deleted or wanted == "CANCELLED":
        expected = [] if has == "CANCELLED" else ["change_reservation_status"]
    else:
        expected = ["change_reservation_term"] * (term == OTHER_TERM)
        expected += ["change_reservation_status"] * (wanted not in {None, has})
    assert operations(made) == expected
    assert made.kind == (WRITE if expected else UNCHANGED)
    for step in made.steps:
        row = dict(after(step, row, 5) or {})
    assert planned(record, row).kind == UNCHANGED


def test_a_reason_is_sent_only_with_a_cancellation() -> None:
    reason = {"cancellationReason": "ill"}
    [cancelling] = planned({**BOOKING, "status": "CANCELLED", **reason}, ROW).steps
    assert cancelling.body == {"status": "CANCELLED", **reason}
    [other] = planned({**BOOKING, "status": "DID_NOT_COME", **reason}, ROW).steps
    assert other.body == {"status": "DID_NOT_COME"}


@pytest.mark.parametrize("status", STATUSES)
def test_a_row_is_created_only_as_confirmed(status: str) -> None:
    kinds = {"CONFIRMED": WRITE, "CANCELLED": UNCHANGED, "DID_NOT_COME": REJECT}
    assert planned({**BOOKING, "status": status}, None).kind == kinds[status]


def test_a_removed_row_is_not_removed_again() -> None:
    assert planned({**BOOKING, "_sdc_deleted_at": "2026-11-01"}, None).kind == UNCHANGED
    assert planned({"id": 5, "_sdc_deleted_at": "2026-11-01"}, None).kind == UNCHANGED


def test_an_unknown_id_is_not_created() -> None:
    assert planned({**BOOKING, "id": 5}, None).fields == ("id",)


FIXED_CHANGES = [
    {"name": "K"},
    {"email": "k@example.org"},
    {"phone": "0905 999"},
    {"serviceId": 4},
    {"facilityId": 2},
    {"locale": "en"},
]


@pytest.mark.parametrize("change", FIXED_CHANGES)
def test_a_change_of_a_fixed_field_is_rejected(change: dict[str, Any]) -> None:
    made = planned({**BOOKING, **change}, ROW)
    assert (made.kind, made.fields) == (REJECT, tuple(change))


@pytest.mark.parametrize("change", FIXED_CHANGES)
def test_a_fixed_field_does_not_stop_a_cancellation(change: dict[str, Any]) -> None:
    made = planned({**BOOKING, **change, "status": "CANCELLED"}, ROW)
    assert operations(made) == ["change_reservation_status"]
    assert made.fixed == tuple(change)


def test_another_spelling_of_a_value_is_not_a_change() -> None:
    for change in ({"phone": "+421905123456"}, {"phone": "0905123456", "name": "j"}):
        assert planned(BOOKING, {**ROW, **change}).kind == UNCHANGED
    other = {**ROW, "phone": "0905 999 999"}
    assert planned(BOOKING, other).kind == REJECT
    assert planned(BOOKING, other, entry=ours(ROW)).kind == UNCHANGED, "as it was created"


def test_confirm_sync_is_planned_only_for_rows_without_our_external_id() -> None:
    record = {"id": 5, "externalId": 7, "facilityId": 1}
    assert operations(planned(record, {**ROW, "externalId": None})) == ["confirm_sync"]
    assert planned(record, ROW).kind == UNCHANGED
    assert planned({**record, "externalId": 8}, ROW).fields == ("externalId",)
    unseen = {name: value for name, value in ROW.items() if name != "externalId"}
    assert planned(record, unseen, entry=ours(ROW)).kind == UNCHANGED


MOVED = {**BOOKING, "dateFrom": OTHER_TERM}
BY_A_PERSON = {**ROW, "dateFrom": "2026-12-09T08:00:00"}


def test_three_way_comparison_with_the_last_agreed_value() -> None:
    """Rule 9: an agreed value is changed; a value that somebody changed is a conflict."""
    assert planned(MOVED, ROW, entry=ours(ROW)).kind == WRITE
    assert planned(MOVED, BY_A_PERSON, entry=ours(ROW)).kind == CONFLICT
    assert planned(MOVED, BY_A_PERSON, entry=ours(ROW), source_wins=True).kind == WRITE
    assert planned(MOVED, {**ROW, "dateFrom": OTHER_TERM}, entry=ours(ROW)).kind == UNCHANGED
    assert planned(MOVED, BY_A_PERSON, entry=ours(BY_A_PERSON)).kind == WRITE, "agreed since"


def test_an_unknown_base_makes_every_difference_a_conflict() -> None:
    """Rule 10: after a conflict the base is unknown until source and list agree."""
    entry = ours(ROW)
    disputed = entry._replace(agreed={**entry.agreed, "dateFrom": UNKNOWN})
    assert planned(MOVED, ROW, entry=disputed).kind == CONFLICT
    assert planned(BOOKING, ROW, entry=disputed).kind == UNCHANGED


def test_without_a_journal_no_change_is_overwritten() -> None:
    """Rule 10: our number on a row shows that it came from here; a difference is a conflict."""
    assert planned(MOVED, ROW).kind == CONFLICT
    back = planned({**BOOKING, "status": "CONFIRMED"}, {**ROW, "status": "CANCELLED"})
    assert back.kind == CONFLICT
    cancelling = planned({**BOOKING, "status": "CANCELLED"}, ROW)
    assert operations(cancelling) == ["change_reservation_status"], "it is as it was created"
    by_id = planned({"id": 5, "dateFrom": OTHER_TERM}, ROW)
    assert by_id.kind == WRITE, "the first word about a row of somebody else"


def test_an_end_that_bookio_overrides_is_requested_once() -> None:
    row = {**ROW, "dateTo": "2026-12-01T08:15:00"}
    record = {**BOOKING, "dateTo": "2026-12-01T09:00:00"}
    entry = ours(row)
    asked = entry._replace(asked={"dateTo": digest("2026-12-01T09:00:00")})
    assert planned(record, row, entry=entry).kind == WRITE
    assert planned(record, row, entry=asked).kind == UNCHANGED


def test_a_blocked_time_keeps_an_end_that_the_record_does_not_name() -> None:
    row = {**BLOCK, "id": 5}
    [step] = planned({"id": 5, "dateFrom": "2026-12-01T07:00:00"}, row, "blocked_times").steps
    assert step.body == {"dateFrom": "2026-12-01T07:00:00", "dateTo": "2026-12-01T09:00:00"}


@pytest.mark.parametrize(
    ("wall", "moment"),
    [
        ("2026-10-25T02:30:00", "2026-10-25T02:30:00+02:00"),
        ("2026-10-25T02:30:00", "2026-10-25T02:30:00+01:00"),
        ("2026-03-29T02:30:00", "2026-03-29T02:30:00+01:00"),
        ("2026-12-01T08:00:00", "2026-12-01T07:00:00Z"),
        ("2026-12-01T08:00:00", "2026-12-01T08:00"),
    ],
)
def test_the_tap_and_the_target_agree_on_every_night(wall: str, moment: str) -> None:
    assert planned({**BOOKING, "dateFrom": moment}, {**ROW, "dateFrom": wall}).kind == UNCHANGED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "5x"),
        ("id", True),
        ("id", 2**63),
        ("externalId", 1.5),
        ("name", 7),
        ("email", ["x"]),
        ("dateFrom", "tomorrow"),
        ("dateFrom", "2026-02-30T08:00:00"),
        ("dateFrom", 20261201),
        ("status", "cancelled"),
        ("facilityId", {"id": 1}),
    ],
)
def test_a_wrong_type_is_refused_with_the_field_name(name: str, value: object) -> None:
    with pytest.raises(RecordError) as refused:
        read_record("reservations", {**BOOKING, name: value})
    assert refused.value.fields == (name,)
    assert str(value) not in str(refused.value).replace(name, "")
