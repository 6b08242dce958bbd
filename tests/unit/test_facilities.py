"""Which facilities a token can see, from servers with odd responses."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from bookio_api.client import BookioClient
from bookio_api.errors import AuthError, ContractError, SettingsError
from bookio_api.facilities import Facilities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bookio_sandbox.running import Sandbox

    See = Callable[..., Facilities]


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[BookioClient]:
    made = BookioClient(auth_token=sandbox.token, api_url=sandbox.url)
    yield made
    made.close()


@pytest.fixture
def see(sandbox: Sandbox, client: BookioClient) -> See:
    """Return the facilities that a server lists as these rows."""

    def make(*rows: Any, **settings: Any) -> Facilities:
        data = {"facilities": list(rows)}
        body = json.dumps({"result": {"success": True, "data": data}})
        sandbox.script("list_facilities", {"status": 200, "body": body})
        return Facilities(client, settings)

    return make


@pytest.mark.parametrize(
    "name", [None, 7, True, 1.5, [], {"id": "UTC"}, "", "Nope/Zone", "Europe", "a\0", "A/" * 5000]
)
def test_an_invalid_time_zone_falls_back_to_the_default(
    see: See, name: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        [facility] = see({"id": 1, "timeZone": name}, default_timezone="Asia/Tokyo").in_scope
    assert facility.clock.tz.key == "Asia/Tokyo"
    said = [record for record in caplog.records if record.name == "bookio_api.facilities"]
    assert [record.getMessage() for record in said] == [
        "Facility 1 has no valid timeZone: using default_timezone, Asia/Tokyo"
    ]


@pytest.mark.parametrize("key", [3, "3", 3.0])
def test_an_id_may_come_in_any_form(see: See, key: Any) -> None:
    facilities = see({"id": key, "timeZone": "UTC"})
    assert [facility.id for facility in facilities.in_scope] == [3]
    assert facilities.rows == [{"id": 3, "timeZone": "UTC"}]
    assert type(facilities.rows[0]["id"]) is int


@pytest.mark.parametrize("key", [None, True, "", "x", "9" * 5000, 10**40, 1e300, 3.5, [3]])
def test_a_row_without_an_integer_id_is_refused(see: See, key: Any) -> None:
    with pytest.raises(ContractError, match=r"list_facilities .*a row has no numeric id"):
        see({"id": key}).rows  # noqa: B018


@pytest.mark.parametrize(("total", "is_refused"), [(2, True), ("30", True), (1, False), (0, False)])
def test_facilities_that_come_in_part_are_refused(
    sandbox: Sandbox, client: BookioClient, total: Any, is_refused: bool
) -> None:
    """A clinic that Bookio leaves out would never be read, and no other request would show it."""
    data = {"facilities": [{"id": 1, "timeZone": "UTC"}], "pagination": {"total": total}}
    body = json.dumps({"result": {"success": True, "data": data}})
    sandbox.script("list_facilities", {"status": 200, "body": body})
    facilities = Facilities(client, {})
    if is_refused:
        with pytest.raises(ContractError, match=rf"sent only 1 rows of a total of {total}"):
            facilities.rows  # noqa: B018
    else:
        assert facilities.rows


def test_an_id_as_long_as_a_phone_number_is_not_shown(see: See) -> None:
    with pytest.raises(SettingsError) as refused:
        see({"id": 421905123456}, {"id": 12}, facility_ids=[5]).rows  # noqa: B018
    assert "421905123456" not in str(refused.value)
    assert "12" in str(refused.value)


FORBIDDEN = {"code": 20}


def test_a_token_that_may_not_list_facilities_can_read_lists(
    sandbox: Sandbox, client: BookioClient
) -> None:
    sandbox.script("list_facilities", FORBIDDEN)
    sandbox.script("list_reservations", {"status": 400, "body": "{}"})
    facilities = Facilities(client, {"facility_ids": [8, 9]})
    assert [facility.id for facility in facilities.in_scope] == [8, 9]
    [asked] = sandbox.requests("list_reservations")
    assert "8" in str(asked["query"]["facilityId"])


def test_a_wrong_token_is_reported(sandbox: Sandbox, client: BookioClient) -> None:
    sandbox.script("list_facilities", FORBIDDEN)
    sandbox.script("list_reservations", FORBIDDEN)
    with pytest.raises(AuthError, match="list_facilities"):
        Facilities(client, {}).rows  # noqa: B018
