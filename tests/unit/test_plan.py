"""What a record, a row and the journal lead to: every case, without a server."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from bookio_api.localtime import zone
from target_bookio.desired import RecordError, read_record
from target_bookio.plan.operations import Step, after, digests
from target_bookio.plan.planner import (
    CONFLICT,
    REJECT,
    UNCHANGED,
    WRITE,
    Plan,
    plan,
)
from target_bookio.refresh.lookup import in_zone

BRATISLAVA = zone("Europe/Bratislava")
STATUSES = ("CONFIRMED", "CANCELLED", "DID_NOT_COME")
OTHER_TERM = "2026-12-02T09:00:00"
BOOKING = {
    "externalId": 7, "facilityId": 1, "serviceId": 3, "name": "J", "surname": "N", "locale": "sk",
    "email": "j@example.org", "phone": "0905 123 456", "dateFrom": "2026-12-01T08:00:00+01:00",
}  # fmt: skip
ROW = {**BOOKING, "id": 5, "dateFrom": "2026-12-01T08:00:00", "status": "CONFIRMED"}
BLOCK = {"externalId": 7, "facilityId": 1, "dateFrom": "2026-12-01T08:00:00",
         "dateTo": "2026-12-01T09:00:00", "note": "-"}  # fmt: skip


def digest(value: object) -> str:
    return json.dumps(value)


def planned(
    record: dict[str, Any],
    row: dict[str, Any] | None,
    stream: str = "reservations",
    *,
    applied: dict[str, str] | None = None,
    source_wins: bool = False,
) -> Plan:
    desired = read_record(stream, record).in_zone(BRATISLAVA)
    there = row and in_zone(row, stream, BRATISLAVA)
    return plan(desired, there, applied or {}, digest, source_wins=source_wins)


def ours(row: dict[str, Any]) -> dict[str, str]:
    """Return the digests of having written this row."""
    return digests(read_record("reservations", BOOKING).in_zone(BRATISLAVA), row, digest)


def operations(made: Plan) -> list[str]:
    return [step.operation for step in made.steps]


def test_a_new_booking_is_created_with_wall_time_and_nothing_else() -> None:
    [step] = planned({**BOOKING, "number": "a47b89", "note": None}, None).steps
    assert step == Step("create_reservation", "create",
                        {**BOOKING, "dateFrom": "2026-12-01T08:00:00"})  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(BOOKING) - {"externalId"}))
def test_what_a_creation_lacks_is_named(name: str) -> None:
    made = planned({**BOOKING, name: None}, None)
    assert (made.kind, made.fields) == (REJECT, (name,))


TERMS = ("2026-12-01T08:00:00", OTHER_TERM)


@pytest.mark.parametrize(
    ("wanted", "term", "has", "deleted"),
    itertools.product((None, *STATUSES), TERMS, STATUSES, (False, True)),
)
def test_every_status_and_term(wanted: str | None, term: str, has: str, deleted: bool) -> None:  # noqa: FBT001
    record = {
        **BOOKING,
        "status": wanted,
        "dateFrom": term,
        "_sdc_deleted_at": "2026-11-01" if deleted else None,
    }
    row = {**ROW, "status": has}
    made = planned(record, row)
    if deleted or wanted == "CANCELLED":
        expected = [] if has == "CANCELLED" else ["change_reservation_status"]
    else:
        expected = ["change_reservation_term"] * (term == OTHER_TERM)
        expected += ["change_reservation_status"] * (wanted not in {None, has})
    assert operations(made) == expected
    assert made.kind == (WRITE if expected else UNCHANGED)
    for step in made.steps:
        row = after(step, row, 5)
    assert planned(record, row).kind == UNCHANGED, "once it is done, there is nothing to do"


def test_the_reason_goes_only_with_a_cancellation() -> None:
    reason = {"cancellationReason": "ill"}
    [cancelling] = planned({**BOOKING, "status": "CANCELLED", **reason}, ROW).steps
    assert cancelling.body == {"status": "CANCELLED", **reason}
    [other] = planned({**BOOKING, "status": "DID_NOT_COME", **reason}, ROW).steps
    assert other.body == {"status": "DID_NOT_COME"}


@pytest.mark.parametrize("status", STATUSES)
def test_what_is_not_there_is_created_only_as_confirmed(status: str) -> None:
    kinds = {"CONFIRMED": WRITE, "CANCELLED": UNCHANGED, "DID_NOT_COME": REJECT}
    assert planned({**BOOKING, "status": status}, None).kind == kinds[status]


def test_what_is_gone_need_not_go_again() -> None:
    assert planned({**BOOKING, "_sdc_deleted_at": "2026-11-01"}, None).kind == UNCHANGED
    assert planned({"id": 5, "_sdc_deleted_at": "2026-11-01"}, None).kind == UNCHANGED


def test_an_id_that_is_not_there_is_no_creation() -> None:
    assert planned({**BOOKING, "id": 5}, None).fields == ("id",)


@pytest.mark.parametrize(
    "change",
    [{"name": "K"}, {"email": "k@example.org"}, {"phone": "0905 999"}, {"serviceId": 4},
     {"facilityId": 2}, {"locale": "en"}],
)  # fmt: skip
def test_what_bookio_cannot_change_is_rejected(change: dict[str, Any]) -> None:
    made = planned({**BOOKING, **change}, ROW)
    assert (made.kind, made.fields) == (REJECT, tuple(change))


def test_bookios_own_way_to_write_a_value_is_no_change() -> None:
    row = {**ROW, "phone": "0905123456", "name": "j"}
    assert planned(BOOKING, row).kind == UNCHANGED
    rewritten = {**ROW, "phone": "+421905123456"}
    assert planned(BOOKING, rewritten).kind == REJECT
    assert planned(BOOKING, rewritten, applied=ours(ROW)).kind == UNCHANGED


def test_confirm_sync_is_for_rows_without_our_number() -> None:
    record = {"id": 5, "externalId": 7, "facilityId": 1}
    assert operations(planned(record, {**ROW, "externalId": None})) == ["confirm_sync"]
    assert planned(record, ROW).kind == UNCHANGED
    assert planned({**record, "externalId": 8}, ROW).fields == ("externalId",)
    unseen = {name: value for name, value in ROW.items() if name != "externalId"}
    assert planned(record, unseen, applied=ours(ROW)).kind == UNCHANGED


def test_three_way() -> None:
    moved = {**BOOKING, "dateFrom": OTHER_TERM}
    by_a_person = {**ROW, "dateFrom": "2026-12-09T08:00:00"}
    assert planned(moved, ROW).kind == WRITE, "a row that we never wrote is changed"
    assert planned(moved, ROW, applied=ours(ROW)).kind == WRITE
    assert planned(moved, by_a_person, applied=ours(ROW)).kind == CONFLICT
    assert planned(moved, by_a_person, applied=ours(ROW), source_wins=True).kind == WRITE
    assert planned(moved, {**ROW, "dateFrom": OTHER_TERM}, applied=ours(ROW)).kind == UNCHANGED


def test_a_blocked_time_keeps_an_end_that_the_record_does_not_name() -> None:
    row = {**BLOCK, "id": 5}
    [step] = planned({"id": 5, "dateFrom": "2026-12-01T07:00:00"}, row, "blocked_times").steps
    assert step.body == {"dateFrom": "2026-12-01T07:00:00", "dateTo": "2026-12-01T09:00:00"}


@pytest.mark.parametrize(
    ("wall", "moment"),
    [("2026-10-25T02:30:00", "2026-10-25T02:30:00+02:00"),
     ("2026-10-25T02:30:00", "2026-10-25T02:30:00+01:00"),
     ("2026-03-29T02:30:00", "2026-03-29T02:30:00+01:00"),
     ("2026-12-01T08:00:00", "2026-12-01T07:00:00Z"), ("2026-12-01T08:00:00", "2026-12-01T08:00")],
)  # fmt: skip
def test_the_tap_and_the_target_agree_on_every_night(wall: str, moment: str) -> None:
    assert planned({**BOOKING, "dateFrom": moment}, {**ROW, "dateFrom": wall}).kind == UNCHANGED


@pytest.mark.parametrize(
    ("name", "value"),
    [("id", "5x"), ("id", True), ("id", 2**63), ("externalId", 1.5), ("name", 7), ("email", ["x"]),
     ("dateFrom", "tomorrow"), ("dateFrom", "2026-02-30T08:00:00"), ("dateFrom", 20261201),
     ("status", "cancelled"), ("facilityId", {"id": 1})],
)  # fmt: skip
def test_a_wrong_type_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(RecordError) as refused:
        read_record("reservations", {**BOOKING, name: value})
    assert refused.value.fields == (name,)
    assert str(value) not in str(refused.value).replace(name, "")
