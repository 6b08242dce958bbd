"""target-bookio through its command line: Bookio ends up as the record says."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli import Tap, Target, by_external_id, run, singer_lines, writes

if TYPE_CHECKING:
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=40, seed=5, capacity_check=False)


def test_bookings_are_created_once_with_the_facilitys_wall_time(
    target: Target, clinic: Sandbox
) -> None:
    bookings = [target.booking(n) for n in range(30)]
    first = target(bookings)
    assert first.code == 0, first.stderr
    assert json.loads(first.stdout) == {"records": 30}
    assert "30 created" in first.stderr
    rows = by_external_id(clinic)
    for booking in bookings:
        assert rows[booking["externalId"]]["dateFrom"] == booking["dateFrom"][:19]
    second = target(bookings)
    assert second.code == 0
    assert "30 unchanged" in second.stderr
    assert len(writes(clinic)) == 30


def test_without_a_journal_a_lookup_prevents_duplicates(target: Target, clinic: Sandbox) -> None:
    bookings = [target.booking(n) for n in range(10)]
    target(bookings)
    target.journal.unlink()
    clinic.behave(duplicate_check=False)
    again = target(bookings)
    assert "10 unchanged" in again.stderr
    assert writes(clinic) == ["create_reservation"] * 10


def test_only_what_differs_is_written(target: Target, clinic: Sandbox) -> None:
    target([target.booking(n) for n in range(3)])
    before = len(writes(clinic))
    moved = target.booking(0, dateFrom="2027-01-07T09:00:00+01:00")
    cancelled = target.booking(1, status="CANCELLED", cancellationReason="ill")
    came = target.booking(2, status="DID_NOT_COME")
    done = target([moved, cancelled, came])
    assert done.code == 0, done.stderr
    assert sorted(writes(clinic)[before:]) == [
        "change_reservation_status",
        "change_reservation_status",
        "change_reservation_term",
    ]
    rows = by_external_id(clinic)
    assert rows[moved["externalId"]]["dateFrom"] == "2027-01-07T09:00:00"
    assert rows[cancelled["externalId"]]["status"] == "CANCELLED"
    assert rows[came["externalId"]]["status"] == "DID_NOT_COME"


def test_records_of_one_key_are_written_in_order(target: Target, clinic: Sandbox) -> None:
    days = ["2027-01-11", "2027-01-12", "2027-01-13"]
    done = target([target.booking(0)] + [target.booking(0, dateFrom=f"{d}T10:00:00") for d in days])
    assert done.code == 0, done.stderr
    assert writes(clinic) == ["create_reservation"] + ["change_reservation_term"] * 3
    assert by_external_id(clinic)[9_000_000]["dateFrom"] == "2027-01-13T10:00:00"


@pytest.mark.parametrize("answer", ["id", "row", "nothing"])
def test_every_kind_of_write_response_is_handled(
    target: Target, clinic: Sandbox, answer: str
) -> None:
    clinic.behave(write_answer=answer)
    done = target([target.booking(0), target.booking(0, status="CANCELLED")])
    assert done.code == 0, done.stderr
    assert by_external_id(clinic)[9_000_000]["status"] == "CANCELLED"


def test_blocked_times_are_created_moved_and_removed(target: Target, clinic: Sandbox) -> None:
    target([target.block(0), target.block(1)], "blocked_times")
    longer = target.block(0, dateTo="2026-12-01T15:00:00")
    gone = target.block(1, _sdc_deleted_at="2026-11-01T00:00:00Z")
    done = target([longer, gone], "blocked_times")
    assert done.code == 0, done.stderr
    rows = by_external_id(clinic, "blocked_times")
    assert rows[7_000_000]["dateTo"] == "2026-12-01T15:00:00"
    assert 7_000_001 not in rows
    before = len(writes(clinic))
    again = target([longer, gone], "blocked_times")
    assert "2 unchanged" in again.stderr
    assert len(writes(clinic)) == before


def test_a_deleted_reservation_is_cancelled_with_one_email(target: Target, clinic: Sandbox) -> None:
    target([target.booking(0)])
    emails = len(clinic.emails())
    gone = target.booking(0, _sdc_deleted_at="2026-11-01T00:00:00Z")
    for _ in range(3):
        assert target([gone]).code == 0
        target.journal.unlink()
    assert by_external_id(clinic)[9_000_000]["status"] == "CANCELLED"
    assert len(clinic.emails()) == emails + 1


def test_records_of_tap_bookio_are_accepted_and_change_nothing(
    target: Target, clinic: Sandbox, tmp_path: Path
) -> None:
    synced = Tap(clinic, tmp_path)()
    for stream in ("reservations", "blocked_times", "calendars"):
        done = target(synced.records(stream), stream)
        assert done.code == 0, done.stderr
    assert writes(clinic) == []


def test_confirm_sync_adds_our_external_id(target: Target, clinic: Sandbox) -> None:
    key = clinic.insert("reservations", facilityId=target.facility, externalId=None)
    done = target([{"id": key, "facilityId": target.facility, "externalId": 4711}])
    assert done.code == 0, done.stderr
    assert "1 confirmed" in done.stderr
    assert writes(clinic) == ["confirm_sync"]
    assert 4711 in by_external_id(clinic)


def test_calendars_are_created_modified_and_ended(target: Target, clinic: Sandbox) -> None:
    calendar = {
        "facilityId": target.facility,
        "name": "MUDr. Nová",
        "note": "",
        "validFrom": "2026-12-01T00:00:00",
        "validTo": "2027-12-01T00:00:00",
        "services": [{"name": "RTG", "duration": 15, "capacity": 1}],
        "intervals": [{"day": "MONDAY", "from": "08:00", "to": "12:00"}],
    }
    assert target([calendar], "calendars").code == 0
    assert target([calendar], "calendars").code == 0
    noted = {**calendar, "note": "first floor"}
    ended = {**noted, "validTo": "2027-06-30T00:00:00", "_sdc_deleted_at": "2026-11-01T00:00:00Z"}
    for change in (noted, ended):
        done = target([change], "calendars")
        assert done.code == 0, done.stderr
    assert writes(clinic) == ["create_calendar", "modify_calendar", "end_calendar"]
    [row] = [c for c in clinic.rows("calendars") if c["name"] == "MUDr. Nová"]
    assert (row["note"], row["validTo"]) == ("first floor", "2027-06-30T00:00:00")


def test_a_persons_change_wins_unless_conflict_is_source_wins(
    target: Target, clinic: Sandbox
) -> None:
    target([target.booking(0)])
    key = by_external_id(clinic)[9_000_000]["id"]
    clinic.change("reservations", key, dateFrom="2027-02-01T08:00:00")
    moved = target.booking(0, dateFrom="2027-01-07T09:00:00")
    kept = target([moved])
    assert "1 conflicts" in kept.stderr
    assert kept.code == 0
    assert by_external_id(clinic)[9_000_000]["dateFrom"] == "2027-02-01T08:00:00"
    assert target([moved], conflict="source_wins").code == 0
    assert by_external_id(clinic)[9_000_000]["dateFrom"] == "2027-01-07T09:00:00"


def test_rejects_name_fields_and_codes_but_no_patient(target: Target) -> None:
    target([target.booking(0)])
    bad = [
        target.booking(0, email="someone.else@example.org"),  # Bookio cannot change it
        target.booking(1, serviceId=1),  # code 12
        target.booking(2, externalId="4 2"),
        target.booking(3, dateFrom="tomorrow"),
        target.booking(4, email=None),
        {"name": "Jana"},
        target.booking(6, facilityId=1),
    ]
    done = target(bad)
    assert done.code == 3, done.stderr
    assert json.loads(done.stdout) == {"records": 7}
    lines = target.rejected()
    assert [set(line) for line in lines] == [
        {
            "run",
            "time",
            "stream",
            "key",
            "operation",
            "code",
            "message",
            "fields",
            "reason",
            "fingerprint",
        }
    ] * 7
    by_fields = {tuple(line["fields"]): line for line in lines}
    assert by_fields["email",]["key"] == {"externalId": 9_000_004}
    assert {line["code"] for line in lines} == {None, 12}
    assert "Jana" not in target.rejects.read_text()
    assert "example.org" not in target.rejects.read_text() + done.stderr
    for file in (target.rejects, target.journal):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(target.journal.parent.stat().st_mode) == 0o700
    assert b"Jana" not in target.journal.read_bytes()


def test_a_full_term_and_a_duplicate_are_rejected_with_their_codes(
    target: Target, clinic: Sandbox
) -> None:
    target([target.booking(0)])
    clinic.behave(capacity_check=True)
    full = target.booking(0, externalId=1, email="other@example.org")
    clinic.behave(capacity_check=True)
    assert target([full]).code == 3
    clinic.behave(capacity_check=False)
    same_visit = target.booking(0, externalId=2)
    assert target([same_visit]).code == 3
    assert [line["code"] for line in target.rejected()] == [30, 40]


def test_rejects_can_be_repaired_and_replayed(target: Target, clinic: Sandbox) -> None:
    target([target.booking(0, serviceId=1)], rejects_include_records=True)
    [line] = target.rejected()
    line["record"]["serviceId"] = target.service
    repaired = target.rejects.with_name("repaired.jsonl")
    repaired.write_text(json.dumps(line) + "\n")
    done = run("target-bookio", *target.command()[1:], "--replay", str(repaired))
    assert done.code == 0, done.stderr
    assert 9_000_000 in by_external_id(clinic)


@pytest.mark.parametrize("settings", [{"on_reject": "stop"}, {"max_rejects": 2}])
def test_too_many_rejects_stop_the_run(
    target: Target, clinic: Sandbox, settings: dict[str, Any]
) -> None:
    stopped = target([target.booking(n, locale=7) for n in range(5)], **settings)
    assert stopped.code == 1
    assert stopped.stdout == ""
    assert "rejects_path" in stopped.errors[0]
    assert writes(clinic) == []


def test_a_dry_run_shows_and_writes_nothing(target: Target, clinic: Sandbox) -> None:
    target([target.booking(0)])
    before = len(writes(clinic))
    moved = target.booking(0, dateFrom="2027-01-07T09:00:00")
    shown = target([moved, target.booking(1), target.booking(2, locale=7)], dry_run=True)
    assert shown.stdout == ""
    for line in (
        "create: 1",
        "change: 1",
        "unchanged: 0",
        "conflict: 0",
        "reject: 1",
        "change_reservation_term: 1",
    ):
        assert line in shown.stderr
    assert "Jana" not in shown.stderr
    assert len(writes(clinic)) == before
    plan = target.rejects.with_name("plan.jsonl").read_text()
    assert len(plan.splitlines()) == 3
    assert not target.rejects.read_text(), "nor in the rejects"
    assert "Jana" not in plan
    assert target([target.booking(1)]).code == 0, "a dry run leaves nothing in the journal"
    assert 9_000_001 in by_external_id(clinic)


@pytest.mark.parametrize(
    ("lines", "clue"),
    [
        ("oops Jana\n", "line 1"),
        ('{"type": "RECORD", "stream": "reservations", "record": {"name": "Jana"}}\n', "line 1"),
        ('{"stream": "reservations"}\n', "line 1"),
        (singer_lines("facilities", [{"id": 1}]), "facilities"),
        (
            singer_lines("reservations", [])[:-1] + '\n{"type": "RECORD", "stream": "reservations",'
            ' "record": "Jana"}\n',
            "record",
        ),
    ],
)
def test_input_that_is_not_a_singer_stream_is_refused(
    target: Target, lines: str, clue: str
) -> None:
    refused = run("target-bookio", *target.command()[1:], stdin=lines)
    assert refused.code == 1
    assert len(refused.errors) == 1, refused.stderr
    assert clue in refused.errors[0]
    assert "Jana" not in refused.stderr
    assert refused.stdout == ""


@pytest.mark.parametrize(
    ("settings", "clue"),
    [
        ({"auth_token": "wrong"}, "check auth_token"),
        ({"journal_path": "/proc/nowhere/journal"}, "journal_path"),
        ({"endpoint_overrides": {"create_reservation": "POST /nowhere"}}, "endpoint_overrides"),
        ({"conflict": "nobody"}, "remote_wins"),
        ({"api_url": "http://medic.example.org"}, "https"),
    ],
)
def test_an_invalid_setting_stops_the_run_in_one_line(
    target: Target, settings: dict[str, Any], clue: str
) -> None:
    refused = target([target.booking(0)], **settings)
    assert refused.code == 1
    assert len(refused.errors) == 1, refused.stderr
    assert clue in refused.errors[0]
    assert refused.stdout == ""


def test_a_journal_belongs_to_one_account_and_one_process(target: Target, tmp_path: Path) -> None:
    target([target.booking(0)])
    other = target([], api_url=target.sandbox.url + "/")
    assert other.code == 0, "a slash makes no other account"
    foreign = target([], api_url=target.sandbox.url.replace("127.0.0.1", "localhost"))
    assert foreign.code == 1
    assert "another api_url" in foreign.errors[0]
    text = tmp_path / "notes.txt"
    text.write_text("my notes, which are no journal, and are longer than a header" * 20)
    assert "not a target-bookio journal" in target([], journal_path=str(text)).errors[0]
    link = tmp_path / "link.sqlite3"
    link.symlink_to(target.journal)
    assert "journal_path" in target([], journal_path=str(link)).errors[0]


def test_a_connection_test_writes_nothing(target: Target, clinic: Sandbox) -> None:
    good = target([target.booking(0)], "reservations", "--test")
    assert good.code == 0
    assert writes(clinic) == []
    assert target([], "reservations", "--test", auth_token="wrong").code == 1


def test_about_lists_every_setting() -> None:
    about = json.loads(run("target-bookio", "--about", "--format=json").stdout)
    assert all(setting.get("description") for setting in about["settings"]["properties"].values())
    assert "target-bookio v" in run("target-bookio", "--version").stdout
