"""The sandbox's writes: what they change, what is refused and with which code."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest

from bookio_api.contract import OPERATIONS

if TYPE_CHECKING:
    from conftest import StartSandbox

    from bookio_sandbox.running import Sandbox

START = "2026-10-05T09:00:00"


def facility_with_service(sandbox: Sandbox, **service: object) -> tuple[int, int]:
    """Insert a calendar with one service; return the ids of facility and service."""
    facility_id = sandbox.rows("facilities")[0]["id"]
    offered = {"id": 55, "name": "Kontrola", "duration": 20, "capacity": 2} | service
    sandbox.insert("calendars", facilityId=facility_id, services=[offered])
    return facility_id, offered["id"]


def booking(sandbox: Sandbox, **fields: object) -> dict[str, Any]:
    """Return a valid body of create_reservation."""
    facility_id, service_id = facility_with_service(sandbox)
    return {
        "name": "Jana",
        "surname": "Skúšobná",
        "email": "jana@example.com",
        "phone": "+421905000001",
        "dateFrom": START,
        "locale": "sk",
        "externalId": 9001,
        "serviceId": service_id,
        "facilityId": facility_id,
    } | fields


def row(sandbox: Sandbox, stream: str, row_id: int) -> dict[str, Any]:
    """Return a row by id."""
    return next(row for row in sandbox.rows(stream) if row["id"] == row_id)


def test_a_reservation_is_created(sandbox: Sandbox) -> None:
    """Its end is derived from the service (G), and its status is CONFIRMED."""
    body = booking(sandbox, note="Prvá návšteva")
    before = sandbox.now_ms()
    reply = sandbox.ask("create_reservation", body=body)
    assert reply.status == 200
    made = row(sandbox, "reservations", reply.result["data"]["id"])
    assert made.items() >= body.items()
    assert (made["status"], made["dateTo"]) == ("CONFIRMED", "2026-10-05T09:20:00")
    assert made["created"].startswith("2026-09-16T08:0")
    assert made["_modified"] >= before


def test_fields_that_a_body_may_not_have_are_not_stored(sandbox: Sandbox) -> None:
    """An id or a status in the body is ignored."""
    reply = sandbox.ask("create_reservation", body=booking(sandbox, id=1, status="CANCELLED"))
    made = row(sandbox, "reservations", reply.result["data"]["id"])
    assert made["id"] != 1
    assert made["status"] == "CONFIRMED"


@pytest.mark.parametrize("field", ["email", "dateFrom", "externalId", "serviceId", "facilityId"])
def test_a_missing_field_is_code_10_and_named(sandbox: Sandbox, field: str) -> None:
    """The first error names the field, and nothing is created."""
    body = booking(sandbox)
    del body[field]
    assert_refused(sandbox, "create_reservation", body, 10, field)


@pytest.mark.parametrize(
    ("field", "value"),
    [("dateFrom", "2026-02-30T09:00:00"), ("dateFrom", "soon"), ("externalId", "x"), ("name", "")],
)
def test_an_invalid_field_is_code_10_and_named(sandbox: Sandbox, field: str, value: str) -> None:
    """The first error names the field, and nothing is created."""
    assert_refused(sandbox, "create_reservation", booking(sandbox, **{field: value}), 10, field)


@pytest.mark.parametrize("body", [None, [], "text", {"status": None}, {"status": []}])
def test_a_body_of_an_unexpected_type_is_code_10(sandbox: Sandbox, body: object) -> None:
    """Neither a missing body nor another JSON type crashes the sandbox."""
    path = {"reservationId": sandbox.insert("reservations")}
    reply = sandbox.ask("change_reservation_status", path=path, body=body)
    assert reply.result["errorCode"] == 10


def test_a_deeply_nested_body_is_code_10(sandbox: Sandbox) -> None:
    """900 nested lists do not exhaust the stack."""
    body = functools.reduce(lambda inner, _: [inner], range(900), 1)
    assert sandbox.ask("create_calendar", body=body).result["errorCode"] == 10


@pytest.mark.parametrize("field", ["serviceId", "facilityId"])
def test_an_unknown_id_in_a_body_is_code_12(sandbox: Sandbox, field: str) -> None:
    """The first error names the field, and nothing is created."""
    assert_refused(sandbox, "create_reservation", booking(sandbox, **{field: 4}), 12, field)


def assert_refused(sandbox: Sandbox, operation: str, body: object, code: int, words: str) -> None:
    """Assert that Bookio refuses a request and changes nothing."""
    before = {stream: sandbox.rows(stream) for stream in ("reservations", "blocked_times")}
    reply = sandbox.ask(operation, body=body)
    assert (reply.status, reply.result["success"]) == (400, False)
    assert reply.result["errorCode"] == code
    assert words in reply.result["errors"][0]
    assert {stream: sandbox.rows(stream) for stream in before} == before


BODIES: dict[str, Any] = {
    "modify_calendar": {
        "facilityId": 0,
        "name": "",
        "note": "",
        "validFrom": START,
        "validTo": START,
        "services": [],
        "intervals": [],
    },
    "end_calendar": {"validTo": START},
    "change_reservation_status": {"status": "CANCELLED"},
    "change_reservation_term": {"dateFrom": START},
    "confirm_sync": {"externalId": 1},
    "change_blocked_time_term": {"dateFrom": START, "dateTo": "2026-10-05T10:00:00"},
    "remove_blocked_time": None,
}


@pytest.mark.parametrize("operation", BODIES)
def test_an_unknown_id_in_a_path_is_code_12(sandbox: Sandbox, operation: str) -> None:
    """Every operation with an id in its path refuses one that does not exist."""
    path = dict.fromkeys(OPERATIONS[operation].path_parameters, 999_999)
    reply = sandbox.ask(operation, path=path, body=BODIES[operation])
    assert reply.result["errorCode"] == 12


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_wrong_token_is_code_20(sandbox: Sandbox, operation: str) -> None:
    """Every operation checks the token before anything else."""
    path = dict.fromkeys(OPERATIONS[operation].path_parameters, 1)
    assert sandbox.ask(operation, path=path, token="wrong").result["errorCode"] == 20
    assert [request["authorized"] for request in sandbox.requests()] == [False]


def test_a_full_term_is_code_30(sandbox: Sandbox) -> None:
    """A service of capacity 2 takes two overlapping reservations; the next slot is free."""
    body = booking(sandbox)
    for number in (1, 2):
        guest = body | {"externalId": number, "email": f"{number}@example.com"}
        assert sandbox.ask("create_reservation", body=guest).status == 200
    late = body | {"dateFrom": "2026-10-05T09:19:00"}
    assert_refused(sandbox, "create_reservation", late, 30, "full")
    after = body | {"dateFrom": "2026-10-05T09:20:00"}
    assert sandbox.ask("create_reservation", body=after).status == 200


def test_a_cancellation_frees_the_term(sandbox: Sandbox) -> None:
    """The place can be taken, and then the cancelled row cannot be confirmed again."""
    facility_id, service_id = facility_with_service(sandbox, id=77, capacity=1)
    body = booking(sandbox) | {"facilityId": facility_id, "serviceId": service_id}
    made = sandbox.ask("create_reservation", body=body).result["data"]["id"]
    other = body | {"externalId": 2, "email": "other@example.com"}
    assert_refused(sandbox, "create_reservation", other, 30, "full")
    set_status(sandbox, made, "CANCELLED")
    assert sandbox.ask("create_reservation", body=other).status == 200
    reply = set_status(sandbox, made, "CONFIRMED")
    assert reply == 30


def set_status(sandbox: Sandbox, row_id: int, status: str, **body: str) -> int | None:
    """Change a status; return the code of a refusal."""
    reply = sandbox.ask(
        "change_reservation_status",
        path={"reservationId": row_id},
        body={"status": status, **body},
    )
    code: int | None = reply.result.get("errorCode")
    return code


@pytest.mark.parametrize("change", [{"email": "x@example.com"}, {"externalId": 2}])
def test_a_duplicate_is_code_40(sandbox: Sandbox, change: dict[str, Any]) -> None:
    """The same externalId, or the same patient and time; the check can be switched off."""
    body = booking(sandbox)
    sandbox.ask("create_reservation", body=body)
    assert_refused(sandbox, "create_reservation", body | change, 40, "booked")
    sandbox.behave(duplicate_check=False)
    assert sandbox.ask("create_reservation", body=body | change).status == 200


def test_the_capacity_check_can_be_switched_off(sandbox: Sandbox) -> None:
    """Then a service of capacity 2 takes four."""
    body = booking(sandbox)
    sandbox.behave(duplicate_check=False, capacity_check=False)
    assert [sandbox.ask("create_reservation", body=body).status for _ in range(4)] == [200] * 4


def test_every_status_change_sends_an_email(sandbox: Sandbox) -> None:
    """A second cancellation, too: a real patient would get the e-mail twice."""
    row_id = sandbox.insert("reservations", email="jana@example.com")
    for _ in range(2):
        assert set_status(sandbox, row_id, "CANCELLED", cancellationReason="Choroba") is None
    set_status(sandbox, row_id, "DID_NOT_COME")
    assert [(mail["kind"], mail["recipient"], mail["reason"]) for mail in sandbox.emails()] == [
        ("CANCELLED", "jana@example.com", "Choroba"),
        ("CANCELLED", "jana@example.com", "Choroba"),
        ("DID_NOT_COME", "jana@example.com", None),
    ]


def test_a_cancellation_stores_its_reason_and_time(sandbox: Sandbox) -> None:
    """The time is the facility's wall time."""
    row_id = sandbox.insert("reservations")
    set_status(sandbox, row_id, "CANCELLED", cancellationReason="Choroba")
    cancelled = row(sandbox, "reservations", row_id)
    assert cancelled["cancellationReason"] == "Choroba"
    assert cancelled["cancelTime"].startswith("2026-09-16T08:0")


@pytest.mark.parametrize(
    ("end", "expected"),
    [("2026-10-05T09:50:00", ("2026-10-05T09:50:00", 50)), (None, ("2026-10-05T09:20:00", 20))],
)
def test_a_reservation_is_moved(
    sandbox: Sandbox, end: str | None, expected: tuple[str, int]
) -> None:
    """Without an end it keeps its duration; with one the duration follows."""
    row_id = sandbox.insert("reservations", duration=20, _modified=5)
    path = {"reservationId": row_id}
    body = {"dateFrom": START, "dateTo": end}
    assert sandbox.ask("change_reservation_term", path=path, body=body).status == 200
    moved = row(sandbox, "reservations", row_id)
    assert (moved["dateTo"], moved["duration"]) == expected
    assert moved["_modified"] > 5


def test_a_term_that_ends_before_it_begins_is_code_10(sandbox: Sandbox) -> None:
    """A reservation cannot be moved to such a term."""
    path = {"reservationId": sandbox.insert("reservations")}
    body = {"dateFrom": START, "dateTo": "2026-10-05T08:00:00"}
    reply = sandbox.ask("change_reservation_term", path=path, body=body)
    assert reply.result["errorCode"] == 10


def test_confirm_sync_stores_the_external_id_and_clears_the_flag(sandbox: Sandbox) -> None:
    """Another change does not clear the flag (G)."""
    row_id = sandbox.insert("reservations", _unsynced=True, _modified=5)
    set_status(sandbox, row_id, "CONFIRMED")
    assert row(sandbox, "reservations", row_id)["_unsynced"]
    sandbox.ask("confirm_sync", path={"reservationId": row_id}, body={"externalId": 321})
    confirmed = row(sandbox, "reservations", row_id)
    assert (confirmed["externalId"], confirmed["_unsynced"]) == (321, False)
    assert confirmed["_modified"] > 5


def test_a_blocked_time_is_created_moved_and_removed(sandbox: Sandbox) -> None:
    """Its id is not used again."""
    facility_id = sandbox.rows("facilities")[0]["id"]
    body = {
        "facilityId": facility_id,
        "dateFrom": START,
        "dateTo": "2026-10-05T12:00:00",
        "note": "Porada",
        "externalId": 8,
    }
    made = sandbox.ask("create_blocked_time", body=body).result["data"]["id"]
    path = {"blockedTimeId": made}
    assert row(sandbox, "blocked_times", made).items() >= body.items()
    term = {"dateFrom": START, "dateTo": "2026-10-05T13:00:00"}
    sandbox.ask("change_blocked_time_term", path=path, body=term)
    assert row(sandbox, "blocked_times", made).items() >= (body | term).items()
    assert sandbox.ask("remove_blocked_time", path=path).status == 200
    assert sandbox.rows("blocked_times") == []
    again = sandbox.ask("create_blocked_time", body=body).result["data"]["id"]
    assert again > made


def test_a_calendar_is_created_modified_and_ended(sandbox: Sandbox) -> None:
    """Its new service gets an id and can be booked."""
    facility_id = sandbox.rows("facilities")[0]["id"]
    body = BODIES["modify_calendar"] | {"facilityId": facility_id, "services": [{"name": "RTG"}]}
    made = sandbox.ask("create_calendar", body=body).result["data"]["id"]
    path = {"calendarId": made}
    service = row(sandbox, "calendars", made)["services"][0]
    wanted = booking(sandbox) | {"serviceId": service["id"]}
    assert sandbox.ask("create_reservation", body=wanted).status == 200
    sandbox.ask("modify_calendar", path=path, body=body | {"name": "Nový", "services": [service]})
    sandbox.ask("end_calendar", path=path, body={"validTo": "2027-01-01T00:00:00"})
    ended = row(sandbox, "calendars", made)
    assert (ended["name"], ended["validTo"]) == ("Nový", "2027-01-01T00:00:00")
    assert ended["services"] == [service]


@pytest.mark.parametrize(
    ("answer", "keys"), [("id", {"id"}), ("nothing", set()), ("row", {"id", "number", "status"})]
)
def test_a_write_answers_as_configured(sandbox: Sandbox, answer: str, keys: set[str]) -> None:
    """With the id, the whole row, or nothing (U)."""
    sandbox.behave(write_answer=answer)
    data = sandbox.ask("create_reservation", body=booking(sandbox)).result["data"]
    assert keys <= set(data)
    assert bool(data) is bool(keys)


@pytest.mark.parametrize(
    ("style", "statuses"),
    [("400", [400] * 4), ("200", [200] * 4), ("status", [401, 422, 404, 409])],
)
def test_an_error_has_the_configured_http_status(
    sandbox: Sandbox, style: str, statuses: list[int]
) -> None:
    """400, 200, or the status that fits the code (U)."""
    sandbox.behave(error_style=style)
    body = booking(sandbox)
    sandbox.ask("create_reservation", body=body)
    replies = [
        sandbox.ask("create_reservation", body=body, token="wrong"),
        sandbox.ask("create_reservation", body={}),
        sandbox.ask("create_reservation", body=body | {"serviceId": 4}),
        sandbox.ask("create_reservation", body=body),
    ]
    assert [reply.status for reply in replies] == statuses
    assert [reply.result["errorCode"] for reply in replies] == [20, 10, 12, 40]


def test_a_forbidden_operation_is_code_403(start_sandbox: StartSandbox) -> None:
    """Other operations stay allowed."""
    sandbox = start_sandbox(forbid=["list_facilities"])
    assert sandbox.ask("list_facilities").result["errorCode"] == 403
    assert sandbox.ask("list_calendars").status == 200
