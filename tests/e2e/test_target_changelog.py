"""A changelog sent again, in one stream of several batches, and calendars that share a name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from target_bookio.target import RECORDS_PER_STATE
from tests.cli import run, singer_lines, writes

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox
    from tests.cli import Run, Target
    from tests.conftest import StartSandbox


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=20, seed=5, capacity_check=False, duplicate_check=False)


def test_a_changelog_over_several_states_is_sent_again_without_a_write(
    target: Target, clinic: Sandbox
) -> None:
    """Rule 11: an earlier version of a row is history if a later record follows."""
    booked = target.booking(0)
    cancelled = target.booking(0, status="CANCELLED")
    between = [target.booking(1)] * RECORDS_PER_STATE
    parts = [[booked, *between], [cancelled, *between], [cancelled]]
    schema, *_ = singer_lines("reservations", []).splitlines(keepends=True)
    lines = schema
    for number, records in enumerate(parts):
        record_lines = singer_lines("reservations", records).splitlines(keepends=True)[1:-1]
        lines += "".join(record_lines) + json.dumps({"type": "STATE", "value": {"at": number}})
        lines += "\n"

    def send() -> Run:
        return run("target-bookio", *target.command()[1:], stdin=lines)

    first = send()
    assert first.code == 0, first.stderr
    assert [json.loads(line)["at"] for line in first.stdout.splitlines()][-1] == len(parts) - 1
    before = writes(clinic)
    assert before.count("change_reservation_status") == 1
    again = send()
    assert again.code == 0, again.stderr
    assert writes(clinic) == before
    assert sum(mail["kind"] == "CANCELLED" for mail in clinic.emails()) == 1


def test_two_calendars_with_one_name_cause_a_reject(target: Target, clinic: Sandbox) -> None:
    """A record without an id could refer to any of them."""
    name = "MUDr. Dvojitý"
    for _ in range(2):
        clinic.insert("calendars", facilityId=target.facility, name=name)
    named = {"facilityId": target.facility, "name": name, "note": "first floor"}
    done = target([named], "calendars")
    assert done.code == 3, done.stderr
    [reject] = target.rejected()
    assert "two calendars" in reject["message"]
    assert reject["fields"] == ["name"]
    assert writes(clinic) == []


def test_one_of_two_calendars_is_changed_by_its_id(target: Target, clinic: Sandbox) -> None:
    """The control: with an id the reference is clear."""
    name = "MUDr. Dvojitý"
    ids = [clinic.insert("calendars", facilityId=target.facility, name=name) for _ in range(2)]
    meant = {"id": ids[1], "facilityId": target.facility, "name": name, "note": "first floor"}
    done = target([meant], "calendars")
    assert done.code == 0, done.stderr
    assert writes(clinic) == ["modify_calendar"]
