"""The sandbox's lists: every filter, order and way of paging that a client must cope with."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from bookio_api.contract import OPERATIONS

if TYPE_CHECKING:
    from conftest import StartSandbox

    from bookio_sandbox.running import Reply, Sandbox

LISTS = [name for name, operation in OPERATIONS.items() if operation.rows]
SIZE = 230


@pytest.fixture
def booked(start_sandbox: StartSandbox) -> Sandbox:
    """Return a sandbox with a little more than two pages of reservations."""
    return start_sandbox(size=SIZE, seed=7)


def reservations(sandbox: Sandbox, **query: object) -> list[dict[str, Any]]:
    """List one page of reservations."""
    rows: list[dict[str, Any]] = _reservations(sandbox, query).result["data"]["reservations"]
    return rows


def _reservations(sandbox: Sandbox, query: dict[str, object]) -> Reply:
    return sandbox.ask("list_reservations", query=query)


def ids(rows: list[dict[str, Any]]) -> list[int]:
    """Return the ids in order."""
    return [row["id"] for row in rows]


@pytest.mark.parametrize("operation", LISTS)
def test_each_list_has_the_envelope_and_the_date(booked: Sandbox, operation: str) -> None:
    """The Date header is the sandbox clock."""
    reply = booked.ask(operation, query={"lang": "sk"})
    assert reply.status == 200
    assert reply.result["success"] is True
    assert reply.result["data"][OPERATIONS[operation].rows or ""]
    date_ms = parsedate_to_datetime(str(reply.headers["Date"])).timestamp() * 1000
    assert abs(date_ms - booked.now_ms()) < 60_000


def test_pages_make_up_the_whole_list(booked: Sandbox) -> None:
    """No row is missing between pages, and the page behind the end is empty."""
    pages = [reservations(booked, offset=offset, limit=100) for offset in (0, 100, 200, 300)]
    assert [len(page) for page in pages] == [100, 100, 30, 0]
    assert [i for page in pages for i in ids(page)] == ids(booked.rows("reservations"))


def test_pagination_has_total_offset_and_limit(booked: Sandbox) -> None:
    """The total can be switched off."""

    def pagination() -> object:
        data = _reservations(booked, {"offset": 5, "limit": 7}).result["data"]
        return data["pagination"]

    assert pagination() == {"total": SIZE, "offset": 5, "limit": 7}
    booked.behave(total=False)
    assert pagination() == {"offset": 5, "limit": 7}


def test_limit_0_is_an_empty_page_and_the_default_is_100(booked: Sandbox) -> None:
    """A limit of 0 is valid (C), and 100 is the default (C)."""
    assert reservations(booked, limit=0) == []
    assert len(reservations(booked)) == 100


def test_page_cap_shortens_pages(booked: Sandbox) -> None:
    """A page has at most as many rows as the cap, whatever the limit."""
    booked.behave(page_cap=20)
    assert len(reservations(booked, limit=100)) == 20


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 101}, "limit"),
        ({"limit": -1}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"limit": "1_0"}, "limit"),
        ({"offset": "9" * 5000}, "offset"),
        ({"offset": -1}, "offset"),
        ({"status": "LATE"}, "status"),
        ({"from": "29.6.2026"}, "from"),
        ({"from": "20260629"}, "from"),
        ({"to": "2026-02-30"}, "to"),
        ({"lastSync": "nan"}, "lastSync"),
        ({"onlyUnsynced": "perhaps"}, "onlyUnsynced"),
        ({"facilityId": "here"}, "facilityId"),
    ],
)
def test_an_invalid_filter_is_code_10(
    booked: Sandbox, query: dict[str, object], field: str
) -> None:
    """The first error begins with the name of the filter."""
    reply = _reservations(booked, query)
    assert (reply.status, reply.result["errorCode"]) == (400, 10)
    assert reply.result["errors"][0].startswith(field)


def test_an_unknown_facility_is_code_12(booked: Sandbox) -> None:
    """A facility that does not exist is not an empty list."""
    assert _reservations(booked, {"facilityId": 1}).result["errorCode"] == 12


@pytest.mark.parametrize(
    ("parameter", "field"),
    [
        ("email", "email"),
        ("number", "number"),
        ("status", "status"),
        ("facilityId", "facilityId"),
    ],
)
def test_equality_filters_match_exactly(booked: Sandbox, parameter: str, field: str) -> None:
    """Exactly the rows with that value are listed."""
    rows = booked.rows("reservations")
    for wanted in {row[field] for row in rows[:20]}:
        found = reservations(booked, **{parameter: wanted})
        assert ids(found) == ids([row for row in rows if row[field] == wanted])[:100]


def test_only_unsynced_leaves_out_confirmed_rows(booked: Sandbox) -> None:
    """true lists the unsynced rows, false lists all."""
    rows = booked.rows("reservations")
    unsynced = ids([row for row in rows if row["_unsynced"]])
    assert 0 < len(unsynced) < 100
    assert ids(reservations(booked, onlyUnsynced="true")) == unsynced
    assert ids(reservations(booked, onlyUnsynced="false")) == ids(rows)[:100]


@pytest.mark.parametrize(("last_sync", "found"), [("gt", False), ("ge", True)])
def test_last_sync_compares_as_configured(sandbox: Sandbox, last_sync: str, found: bool) -> None:
    """A row changed at that millisecond is listed with >=, and not with >."""
    sandbox.behave(last_sync=last_sync)
    sandbox.insert("reservations", _modified=1_000)
    sandbox.insert("blocked_times", _modified=1_000)
    for operation in ("list_reservations", "list_blocked_times"):
        key = OPERATIONS[operation].rows or ""
        for since, expected in ((999, True), (1_000, found), (1_001, False)):
            data = sandbox.ask(operation, query={"lastSync": since}).result["data"]
            assert bool(data[key]) is expected, (operation, since)


# The term of the one row, 28 to 30 June, against ranges around it.
RANGES = {
    ("2026-06-28", "2026-06-30"): {"start", "within", "overlap"},
    ("2026-06-28", "2026-06-28"): {"start", "overlap"},
    ("2026-06-29", "2026-06-29"): {"overlap"},
    ("2026-06-30", "2026-06-30"): {"overlap"},
    ("2026-06-26", "2026-06-27"): set(),
    ("2026-07-01", "2026-07-02"): set(),
}


@pytest.mark.parametrize("match", ["start", "within", "overlap"])
def test_a_date_range_matches_as_configured(sandbox: Sandbox, match: str) -> None:
    """By the start of a row, by its whole term, or by any overlap."""
    term = {"dateFrom": "2026-06-28T23:30:00", "dateTo": "2026-06-30T00:30:00"}
    sandbox.insert("reservations", **term)
    sandbox.insert("blocked_times", **term)
    sandbox.behave(range_match=match)
    for (first, last), matches in RANGES.items():
        blocked = sandbox.ask("list_blocked_times", query={"dateFrom": first, "dateTo": last})
        found = reservations(sandbox, **{"from": first, "to": last})
        assert len(found) == (match in matches), (first, last)
        assert len(blocked.result["data"]["blockedTimes"]) == (match in matches), (first, last)


@pytest.mark.parametrize(("end", "found"), [("inclusive", 1), ("exclusive", 0)])
def test_the_last_day_of_a_range_is_in_it_as_configured(
    sandbox: Sandbox, end: str, found: int
) -> None:
    """The last day is included or not; the first always is."""
    sandbox.insert("reservations", dateFrom="2026-06-28T00:00:00")
    sandbox.behave(range_end=end)
    assert len(reservations(sandbox, to="2026-06-28")) == found
    assert len(reservations(sandbox, **{"from": "2026-06-28"})) == 1


def test_calendars_are_listed_while_valid(sandbox: Sandbox) -> None:
    """Both ends of the validity are included."""
    valid = {"validFrom": "2030-01-01T00:00:00", "validTo": "2030-01-31T00:00:00"}
    calendar = sandbox.insert("calendars", **valid)
    for day, found in (("2029-12-31", []), ("2030-01-01", [calendar]), ("2030-01-31", [calendar])):
        data = sandbox.ask("list_calendars", query={"date": day}).result["data"]
        assert ids(data["calendars"]) == found


ORDERS = {
    "id": lambda row: row["id"],
    "-id": lambda row: -row["id"],
    "modified": lambda row: (row["_modified"], row["id"]),
    "-modified": lambda row: (-row["_modified"], -row["id"]),
    "dateFrom": lambda row: (row["dateFrom"], row["id"]),
}


@pytest.mark.parametrize("order", ORDERS)
def test_lists_are_sorted_as_configured(booked: Sandbox, order: str) -> None:
    """Two pages together are sorted as a whole."""
    booked.behave(order=order)
    expected = sorted(booked.rows("reservations"), key=ORDERS[order])
    found = [*reservations(booked), *reservations(booked, offset=100)]
    assert ids(found) == ids(expected)[:200]


def test_a_random_order_differs_between_requests(booked: Sandbox) -> None:
    """Two requests list the same page in different orders."""
    booked.behave(order="random")
    assert ids(reservations(booked)) != ids(reservations(booked))


def test_hidden_fields_are_left_out(booked: Sandbox) -> None:
    """No row has a field that is configured to be hidden."""
    assert "externalId" in reservations(booked)[0]
    booked.behave(hide=["externalId"])
    assert all("externalId" not in row for row in reservations(booked))


def test_the_date_header_can_be_switched_off(booked: Sandbox) -> None:
    """A client must cope without the server clock."""
    booked.behave(date=False)
    assert booked.ask("list_facilities").headers["Date"] is None
