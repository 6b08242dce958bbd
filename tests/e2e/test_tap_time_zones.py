"""Every row has the offset of its own facility's time zone, also if Bookio's view of it changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox
    from tests.cli import Run, Tap
    from tests.conftest import StartSandbox

SUMMER = "2027-07-01T10:00:00"


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=0, facilities=2)


@pytest.fixture
def lisbon(clinic: Sandbox) -> int:
    """Return a facility in Lisbon with three bookings."""
    facility: int = clinic.rows("facilities")[0]["id"]
    clinic.change("facilities", facility, timeZone="Europe/Lisbon")
    for _ in range(3):
        clinic.insert("reservations", facilityId=facility, dateFrom=SUMMER)
    return facility


def name_no_zone(clinic: Sandbox) -> None:
    """Let the next list of facilities name no time zones."""
    rows = [{**row, "timeZone": None} for row in clinic.rows("facilities")]
    clinic.script("list_facilities", {"body": envelope(facilities=rows)})


def envelope(**lists: list[dict[str, Any]]) -> str:
    return json.dumps({"result": {"success": True, "data": lists}})


def offsets(synced: Run, facility: int) -> list[str]:
    rows = synced.records("reservations")
    return [row["dateFrom"][-6:] for row in rows if row["facilityId"] == facility]


def test_a_corrected_time_zone_reads_all_rows_again(tap: Tap, clinic: Sandbox, lisbon: int) -> None:
    """Rows with the old offset would stay wrong, because lastSync does not list them."""
    clinic.change("facilities", lisbon, timeZone="Europe/Bratislava")
    first = tap()
    clinic.advance(days=1)
    clinic.change("facilities", lisbon, timeZone="Europe/Lisbon")
    second = tap(state=first.state)
    assert offsets(first, lisbon) == ["+02:00"] * 3
    assert offsets(second, lisbon)[:3] == ["+01:00"] * 3
    assert "its time zone was Europe/Bratislava and is Europe/Lisbon now" in second.stderr


def test_a_corrected_default_time_zone_reads_all_rows_again(
    tap: Tap, clinic: Sandbox, lisbon: int
) -> None:
    """The same where Bookio names no zone and the setting was wrong."""
    name_no_zone(clinic)
    first = tap()
    clinic.advance(days=1)
    name_no_zone(clinic)
    second = tap(state=first.state, default_timezone="Europe/Lisbon")
    assert offsets(first, lisbon) == ["+02:00"] * 3
    assert offsets(second, lisbon)[:3] == ["+01:00"] * 3


def test_a_time_zone_that_is_missing_in_one_run_is_still_known(
    tap: Tap, clinic: Sandbox, lisbon: int
) -> None:
    """The zone that Bookio named before is better than default_timezone."""
    first = tap()
    name_no_zone(clinic)
    new = clinic.insert("reservations", facilityId=lisbon, dateFrom=SUMMER)
    second = tap(state=first.state)
    assert new in {row["id"] for row in second.records("reservations")}
    assert set(offsets(second, lisbon)) == {"+01:00"}
    assert "does not name its time zone any more; continuing with Europe/Lisbon" in second.stderr


def test_a_list_of_facilities_that_is_refused_later_stops_the_run(
    tap: Tap, clinic: Sandbox, lisbon: int
) -> None:
    """All rows would be read again with the offset of default_timezone."""
    first = tap()
    clinic.behave(forbid=["list_facilities"])
    refused = tap(state=first.state)
    assert refused.code == 1
    [line] = refused.errors
    assert "may not list facilities any more" in line
    assert not refused.records("reservations")
    ids = tap(state=first.state, facility_ids=[row["id"] for row in clinic.rows("facilities")])
    assert ids.code == 0, ids.stderr
    assert set(offsets(ids, lisbon)) <= {"+01:00"}


def test_a_facility_that_is_no_number_is_left_empty(tap: Tap, clinic: Sandbox, lisbon: int) -> None:
    """The row is emitted with the time zone of the facility that was asked for."""
    listed = [{"id": 1, "facilityId": [lisbon], "dateFrom": SUMMER}]
    clinic.script("list_reservations", {"body": envelope(reservations=listed)})
    synced = tap(facility_ids=[lisbon])
    assert synced.code in {0, 1}, "the other rows came as new ones"
    assert "unexpected" not in synced.stderr
    [record, *_] = synced.records("reservations")
    assert record["facilityId"] is None
    assert record["dateFrom"] == f"{SUMMER}+01:00"


def test_rows_of_another_facility_keep_its_time_zone(
    tap: Tap, clinic: Sandbox, lisbon: int
) -> None:
    """If a list does not apply facilityId, a row still gets the offset of its own facility."""
    bratislava = clinic.rows("facilities")[1]["id"]
    clinic.change("facilities", bratislava, timeZone="Europe/Bratislava")
    listed = [
        {"id": key, "facilityId": owner, "dateFrom": SUMMER}
        for key, owner in enumerate([lisbon, bratislava, str(lisbon)], 1)
    ]
    for settings in ({}, {"facility_ids": [bratislava]}):
        clinic.script("list_reservations", {"body": envelope(reservations=listed), "times": 20})
        synced = tap(**settings)
        clinic.script("list_reservations")
        assert synced.code == 0, synced.stderr
        assert set(offsets(synced, bratislava)) == {"+02:00"}
        assert set(offsets(synced, lisbon)) == (set() if settings else {"+01:00"})
        assert synced.stderr.count("rows of other facilities than asked for") == 1
