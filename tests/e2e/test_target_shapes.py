"""Writes stay correct in every form of lists and responses (many are U)."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli import Run, Target, by_external_id, run, singer_lines, writes

if TYPE_CHECKING:
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

LOST, LOST_AFTER = {"drop": "reset"}, {"drop": "reset", "apply": True}


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=20, seed=5, capacity_check=False, duplicate_check=False)


def cancelled(clinic: Sandbox) -> int:
    return sum(mail["kind"] == "CANCELLED" for mail in clinic.emails())


@pytest.mark.parametrize("key", ["service", "facility", "reservation"])
def test_the_id_of_something_else_is_not_the_new_rows(
    target: Target, clinic: Sandbox, key: str
) -> None:
    victim = clinic.insert("reservations", facilityId=target.facility, status="CONFIRMED")
    data = {"number": "a47b89", key: {"id": victim, "externalId": 1, "name": "x"}}
    answer = {"result": {"success": True, "data": data}}
    clinic.script("create_reservation", {"body": json.dumps(answer), "apply": True})
    done = target([target.booking(0), target.booking(0, status="CANCELLED")])
    assert done.code == 0, done.stderr
    states = {row["id"]: row["status"] for row in clinic.rows("reservations")}
    assert states[victim] == "CONFIRMED"
    assert by_external_id(clinic)[9_000_000]["status"] == "CANCELLED"


def test_a_row_at_another_facility_is_not_booked_twice(target: Target, clinic: Sandbox) -> None:
    other = clinic.rows("facilities")[1]["id"]
    assert target([target.booking(0)]).code == 0
    for lost in (False, True):
        if lost:
            target.journal.unlink()
        moved = target([target.booking(0, facilityId=other)])
        assert moved.code == 3
        assert target.rejected()[-1]["fields"] == ["facilityId"]
    assert writes(clinic) == ["create_reservation"]


def test_a_lost_cancellation_that_no_list_shows_is_not_sent_again(
    target: Target, clinic: Sandbox
) -> None:
    target([target.booking(0)])
    clinic.behave(hide=["status"])
    clinic.script("change_reservation_status", LOST_AFTER)
    before = cancelled(clinic)
    off = target.booking(0, status="CANCELLED")
    assert target([off]).code == 3, "nobody can tell"
    assert "1 conflicts" in target([off]).stderr, "so what is agreed is unknown (rule 10)"
    assert cancelled(clinic) == before + 1


def test_a_status_that_no_list_shows_is_remembered(target: Target, clinic: Sandbox) -> None:
    target([target.booking(0)])
    clinic.behave(hide=["status"])
    before = cancelled(clinic)
    for reason in ("ill", "away"):
        off = target.booking(0, status="CANCELLED", cancellationReason=reason)
        assert target([off]).code == 0
    assert cancelled(clinic) == before + 1


def test_a_lost_change_of_the_end_alone_is_sent_again(target: Target, clinic: Sandbox) -> None:
    target([target.booking(0)])
    clinic.advance(seconds=5)  # beyond the clock's resolution, lastSync tells whose change it was
    clinic.script("change_reservation_term", LOST)
    longer = target.booking(0, dateTo="2026-12-01T11:00:00")
    done = target([longer])
    assert "1 retried" in done.stderr
    assert by_external_id(clinic)[9_000_000]["dateTo"] == "2026-12-01T11:00:00"
    assert "1 unchanged" in target([longer]).stderr


def test_a_lost_change_of_a_calendars_services_is_sent_again(
    target: Target, clinic: Sandbox
) -> None:
    [row, *_] = clinic.rows("calendars")
    clinic.script("modify_calendar", LOST)
    services = [{"name": "RTG", "duration": 15, "capacity": 1}]
    done = target([{"id": row["id"], "services": services}], "calendars")
    assert "1 retried" in done.stderr
    [changed] = [c for c in clinic.rows("calendars") if c["id"] == row["id"]]
    assert [service["name"] for service in changed["services"]] == ["RTG"]


def test_a_stream_that_is_sent_again_does_not_go_through_its_past(
    target: Target, clinic: Sandbox
) -> None:
    past = [
        target.booking(0),
        target.booking(0, status="CANCELLED"),
        target.booking(1),
        target.booking(1, dateFrom="2027-01-07T09:00:00"),
    ]
    before = cancelled(clinic)
    for _ in range(3):
        assert target(past).code == 0
    assert len(writes(clinic)) == 4
    assert cancelled(clinic) == before + 1


def test_a_record_before_a_new_schema_is_carried_out_first(target: Target, clinic: Sandbox) -> None:
    moved = target.booking(0, dateFrom="2027-01-07T09:00:00")
    first = singer_lines("reservations", [target.booking(0)])
    second = singer_lines("reservations", [moved]).replace('"integer"', '"number"')
    done = run("target-bookio", *target.command()[1:], stdin=first + second)
    assert done.code == 0, done.stderr
    assert by_external_id(clinic)[9_000_000]["dateFrom"] == "2027-01-07T09:00:00"


def test_a_half_done_plan_is_not_a_persons_change(target: Target, clinic: Sandbox) -> None:
    target([target.booking(0)])
    refusal = {"result": {"success": False, "errors": ["no"], "errorCode": 10}}
    clinic.script("change_reservation_status", {"status": 400, "body": json.dumps(refusal)})
    half = target([target.booking(0, dateFrom="2027-01-07T09:00:00", status="DID_NOT_COME")])
    assert half.code == 3
    again = target([target.booking(0, dateFrom="2027-01-08T09:00:00")])
    assert "1 changed" in again.stderr
    assert "0 conflicts" in again.stderr


def test_an_impossible_date_is_one_reject(target: Target, clinic: Sandbox) -> None:
    done = target([target.booking(0, dateFrom="9999-12-31T23:30:00Z"), target.booking(1)])
    assert done.code == 3, done.stderr
    assert target.rejected()[0]["fields"] == ["dateFrom"]
    assert 9_000_001 in by_external_id(clinic)


@pytest.mark.parametrize(
    ("stream", "record"), [("reservations", "booking"), ("blocked_times", "block")]
)
def test_a_changed_note_is_rejected_not_forgotten(target: Target, stream: str, record: str) -> None:
    make = getattr(target, record)
    assert target([make(0)], stream).code == 0
    assert target([make(0, note="another")], stream).code == 3
    assert target.rejected()[0]["fields"] == ["note"]


@pytest.mark.parametrize("folded", ["externalid", "EXTERNALID", "external_id", "External_Id"])
def test_names_as_a_warehouse_folds_them_mean_their_fields(
    target: Target, clinic: Sandbox, folded: str
) -> None:
    """Other spellings of a field are understood, never dropped silently."""
    key = clinic.insert("reservations", facilityId=target.facility, externalId=None)
    done = target([{"ID": key, "facilityid": target.facility, folded: 4711}])
    assert done.code == 0, done.stderr
    assert 4711 in by_external_id(clinic)


@pytest.mark.parametrize("mark", ["_SDC_DELETED_AT", "_Sdc_Deleted_At", "_sdc_deleted_at"])
def test_a_deletion_mark_in_any_spelling_never_books(
    target: Target, clinic: Sandbox, mark: str
) -> None:
    """A deleted source row is cancelled or stays absent, in every form of the mark."""
    gone = {mark: "2026-09-01 00:00:00+00"}
    done = target([target.booking(0), target.booking(1, **gone), target.booking(0, **gone)])
    assert done.code == 0, done.stderr
    rows = by_external_id(clinic)
    assert rows[9_000_000]["status"] == "CANCELLED"
    assert 9_000_001 not in rows


@pytest.mark.parametrize("mark", ["false", 0, False, "0", "never", 1, "infinity"])
def test_a_deletion_mark_that_is_not_a_time_is_a_reject(
    target: Target, clinic: Sandbox, mark: object
) -> None:
    """``"false"`` as a deletion mark must cancel nothing."""
    target([target.booking(0)])
    done = target([target.booking(0, _sdc_deleted_at=mark)])
    assert done.code == 3
    assert target.rejected()[0]["fields"] == ["_sdc_deleted_at"]
    assert by_external_id(clinic)[9_000_000]["status"] == "CONFIRMED"


def test_a_field_that_is_nearly_named_is_rejected_with_its_name(
    target: Target, clinic: Sandbox
) -> None:
    """A misspelt field is never dropped silently."""
    target([target.booking(0)])
    done = target([target.booking(0, status="CANCELLED", cancel_reason="ill")])
    assert done.code == 3
    assert "did you mean cancellationReason?" in target.rejected()[0]["message"]
    assert by_external_id(clinic)[9_000_000]["status"] == "CONFIRMED"


def test_a_column_that_is_not_a_field_is_warned_of_once(target: Target) -> None:
    done = target([target.booking(n, insurer="24") for n in range(3)])
    assert done.code == 0
    assert done.stderr.count("the column insurer is not a field") == 1


def test_an_instant_for_a_facility_without_zone_is_rejected(
    target: Target, clinic: Sandbox
) -> None:
    """A facility with an unknown zone is never booked an hour off; wall times are accepted."""
    rows = [{**row, "timeZone": None} for row in clinic.rows("facilities")]
    body = json.dumps({"result": {"success": True, "data": {"facilities": rows}}})
    clinic.script("list_facilities", {"body": body, "times": 2})
    instant, wall = target.booking(0), target.booking(1, dateFrom="2026-12-01T10:00:00")
    done = target([instant, wall])
    assert done.code == 3, done.stderr
    [line] = target.rejected()
    assert (line["fields"], line["key"]) == (["dateFrom"], {"externalId": 9_000_000})
    assert "time zone" in line["message"]
    assert by_external_id(clinic)[9_000_001]["dateFrom"] == "2026-12-01T10:00:00"


@pytest.mark.parametrize("stream", ["public-reservations", "clinic.RESERVATIONS", "bookings"])
def test_a_stream_may_be_named_by_schema_and_table_or_by_an_alias(
    target: Target, clinic: Sandbox, stream: str
) -> None:
    """Taps of databases name their streams ``schema-table``; the deletion mark survives it."""
    maps = {"bookings": {"__alias__": "reservations"}}
    gone = target.booking(0, _sdc_deleted_at="2026-09-01T00:00:00Z")
    for record in (target.booking(0), gone):
        done = target([record], stream, stream_maps=maps)
        assert done.code == 0, done.stderr
    assert by_external_id(clinic)[9_000_000]["status"] == "CANCELLED"


def test_a_stream_that_cannot_be_written_is_named_with_what_to_do(target: Target) -> None:
    refused = target([{"id": 1}], "public-invoices")
    assert refused.code == 1
    [line] = refused.errors
    assert "public-invoices" in line
    assert "stream_maps" in line


def test_a_broken_byte_costs_one_record(target: Target, clinic: Sandbox) -> None:
    """A line that is not UTF-8 is a reject with its number; the others are written."""
    text = singer_lines("reservations", [target.booking(n, note=f"n{n}ok") for n in range(3)])
    raw = text.encode().replace(b"n1ok", b"n\xe1ok")
    done = run_bytes(target, raw)
    assert done.code == 3, done.stderr
    [line] = target.rejected()
    assert "line 3 of the input is not UTF-8 in note" in line["message"]
    assert set(by_external_id(clinic)) >= {9_000_000, 9_000_002}
    assert json.loads(done.stdout) == {"records": 3}


def test_half_an_emoji_and_nul_are_replaced_with_a_warning(target: Target, clinic: Sandbox) -> None:
    odd = {"note": "x \ud83d", "surname": "No\x00vá", "unused\udc00": "\ud800"}
    done = target([target.booking(0), target.booking(1, **odd), target.booking(2)])
    assert done.code == 0, done.stderr
    row = by_external_id(clinic)[9_000_001]
    assert (row["note"], row["surname"]) == ("x \ufffd", "No\ufffdvá")
    assert "line 3" in done.stderr
    assert "surname: some records have a NUL" in done.stderr


def test_not_a_number_rejects_its_record_alone(target: Target, clinic: Sandbox) -> None:
    """``NaN`` and ``Infinity``, which Python writes into JSON, do not stop a run."""
    nan, infinity = float("nan"), float("inf")
    done = target(
        [
            target.booking(0, serviceId=nan),
            target.booking(1),
            target.booking(2, facilityId=infinity),
        ]
    )
    assert done.code == 3, done.stderr
    assert [line["fields"] for line in target.rejected()] == [["serviceId"], ["facilityId"]]
    assert 9_000_001 in by_external_id(clinic)


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("encoding", ["iso8859-2", "utf-16", "ascii"])
def test_names_arrive_in_any_locale(
    target: Target, clinic: Sandbox, encoding: str, bom: bytes
) -> None:
    """Singer is UTF-8: the terminal's encoding does not garble names."""
    text = singer_lines("reservations", [target.booking(0, surname="Šťastný")])
    raw = bom + text.replace("\\u0160\\u0165astn\\u00fd", "Šťastný").encode()
    assert "Šťastný".encode() in raw
    done = run_bytes(target, raw, PYTHONIOENCODING=encoding)
    assert done.code == 0, done.stderr
    assert by_external_id(clinic)[9_000_000]["surname"] == "Šťastný"


@pytest.mark.parametrize("option", ["stdin", "--replay", "--input"])
def test_utf_16_is_named(target: Target, tmp_path: Path, option: str) -> None:
    line = {"stream": "reservations", "record": target.booking(0)}
    text = json.dumps(line) if option == "--replay" else singer_lines("reservations", [])
    file = tmp_path / "input"
    file.write_bytes(text.encode("utf-16"))
    if option == "stdin":
        refused = run_bytes(target, file.read_bytes())
    else:
        refused = run_bytes(target, b"", option, str(file))
    assert refused.code == 1
    [error] = refused.errors
    assert "UTF-16" in error


def run_bytes(target: Target, raw: bytes, *options: str, **environment: str) -> Run:
    """Run the target on raw bytes, as another tap may write them."""
    done = subprocess.run(
        [*target.command(), *options], input=raw, capture_output=True, check=False, timeout=60,
        env={"PATH": "/usr/bin:/bin", **environment},
    )  # fmt: skip
    codec = environment.get("PYTHONIOENCODING", "utf-8")
    return Run(done.returncode, done.stdout.decode(codec), done.stderr.decode(codec, "replace"))


def test_one_number_for_two_rows_is_given_to_the_first(target: Target, clinic: Sandbox) -> None:
    keys = [
        clinic.insert("reservations", facilityId=target.facility, externalId=None) for _ in "ab"
    ]
    done = target([{"id": key, "externalId": 4711} for key in keys])
    assert done.code == 3, done.stderr
    assert writes(clinic) == ["confirm_sync"]


def test_a_blocked_time_that_goes_meanwhile_is_gone(target: Target, clinic: Sandbox) -> None:
    target([target.block(0)], "blocked_times")
    lost = {"status": 404, "body": "<html>", "apply": True}
    clinic.script("remove_blocked_time", lost)
    gone = target([target.block(0, _sdc_deleted_at="2026-11-01T00:00:00Z")], "blocked_times")
    assert gone.code == 0, gone.stderr
    assert "1 removed" in gone.stderr


def test_rows_that_always_fail_do_not_stop_the_others_for_ever(
    target: Target, clinic: Sandbox
) -> None:
    """Twelve of them in a row look like silence, the first time and every time."""
    bad = [target.booking(n, note="poison") for n in range(12)]
    clinic.script("create_reservation", {"status": 500, "times": 12 * 4})
    good = [target.booking(n) for n in range(20, 30)]
    codes = [target(bad, max_concurrency=1).code, target(bad + good).code]
    assert codes[0] == 1
    clinic.control("/script", method="DELETE")
    assert target(bad + good).code == 0
    assert len(by_external_id(clinic)) >= 22


@pytest.mark.parametrize(
    "content", ["{}\n", "[1]\n", "oops\n", '{"stream": "reservations", "key": {"id": 1}}\n', None]
)
def test_an_invalid_replay_file_is_reported_in_one_line(
    target: Target, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "repair.jsonl"
    if content is not None:
        file.write_text(content)
    refused = run("target-bookio", *target.command()[1:], "--replay", str(file))
    assert refused.code == 1
    assert len(refused.errors) == 1, refused.stderr
    assert "--replay" in refused.errors[0]


def test_files_of_our_own(target: Target, tmp_path: Path) -> None:
    assert target([], "reservations", "--test").code == 0
    assert not target.journal.parent.exists(), "a test writes nothing"
    assert target([], auth_token="typo").code == 1
    assert target([target.booking(0)]).code == 0, "nor does a wrong token claim the journal"
    same = str(tmp_path / "one")
    assert "must be 3 files" in target([], journal_path=same, rejects_path=same).errors[0]
    folder, link = tmp_path / "real", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    assert "symbolic link" in target([], rejects_path=str(link / "rejects.jsonl")).errors[0]
