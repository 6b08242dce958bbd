"""What a record means, however its source names streams and fields and encodes its text."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli import Run, Target, by_external_id, singer_lines

if TYPE_CHECKING:
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=20, seed=5, capacity_check=False, duplicate_check=False)


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
def test_column_names_in_another_case_are_recognised(
    target: Target, clinic: Sandbox, folded: str
) -> None:
    """Other spellings of a field are understood, never dropped silently."""
    key = clinic.insert("reservations", facilityId=target.facility, externalId=None)
    done = target([{"ID": key, "facilityid": target.facility, folded: 4711}])
    assert done.code == 0, done.stderr
    assert 4711 in by_external_id(clinic)


@pytest.mark.parametrize("mark", ["_SDC_DELETED_AT", "_Sdc_Deleted_At", "_sdc_deleted_at"])
def test_a_misspelt_deletion_mark_never_books(target: Target, clinic: Sandbox, mark: str) -> None:
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


def test_a_misspelt_field_is_rejected_with_a_suggestion(target: Target, clinic: Sandbox) -> None:
    """A misspelt field is never dropped silently."""
    target([target.booking(0)])
    done = target([target.booking(0, status="CANCELLED", cancel_reason="ill")])
    assert done.code == 3
    assert "did you mean cancellationReason?" in target.rejected()[0]["message"]
    assert by_external_id(clinic)[9_000_000]["status"] == "CONFIRMED"


def test_an_unknown_column_is_reported_in_one_warning(target: Target) -> None:
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


def test_an_unknown_stream_is_named_with_advice(target: Target) -> None:
    refused = target([{"id": 1}], "public-invoices")
    assert refused.code == 1
    [line] = refused.errors
    assert "public-invoices" in line
    assert "stream_maps" in line


def test_an_invalid_byte_rejects_one_record(target: Target, clinic: Sandbox) -> None:
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


def test_nan_rejects_only_its_own_record(target: Target, clinic: Sandbox) -> None:
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
def test_patient_names_are_sent_correctly_in_any_locale(
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
def test_utf_16_input_is_refused(target: Target, tmp_path: Path, option: str) -> None:
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
        [*target.command(), *options],
        input=raw,
        capture_output=True,
        check=False,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", **environment},
    )
    codec = environment.get("PYTHONIOENCODING", "utf-8")
    return Run(done.returncode, done.stdout.decode(codec), done.stderr.decode(codec, "replace"))
