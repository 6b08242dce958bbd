"""The output about records: the reject file, the results, the limits."""

from __future__ import annotations

import json
import os
import stat
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bookio_api.errors import BookioError
from bookio_singer.progress import Progress
from target_bookio.reporting.outcome import Outcome, OutcomeKind, Reason, written_kind
from target_bookio.reporting.rejects import Rejects
from target_bookio.reporting.report import Report
from target_bookio.reporting.results import Results
from target_bookio.reporting.run_stamp import RunStamp

SETTINGS = {"on_reject": "continue", "max_rejects": 1, "dry_run": False}


def digest(value: object) -> str:
    return json.dumps(value)


def reject(number: int, message: str = "no", **record: Any) -> Outcome:
    kind = OutcomeKind.REJECTED
    record = {"externalId": number, **record}
    return Outcome(kind=kind, stream="reservations", record=record, message=message)


def rejects_of(path: Path, **options: Any) -> Rejects:
    return Rejects(path, stamp=RunStamp(), digest=digest, **options)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def run(path: Path, *outcomes: Outcome, results: Path | None = None, **settings: Any) -> Report:
    """Report outcomes in their own run."""
    rejects, kept = rejects_of(path), Results(results, RunStamp())
    report = Report(
        rejects,
        kept,
        Progress(is_visible=False),
        {**SETTINGS, "rejects_path": str(path), **settings},
    )
    for outcome in outcomes:
        report.add(outcome)
    report.close()
    kept.close()
    rejects.close()
    return report


def test_a_reject_has_its_time_and_run(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    run(path, reject(1), reject(2))
    first, second = lines(path)
    assert first["run"] == second["run"]
    assert first["time"].endswith("Z")
    assert datetime.fromisoformat(first["time"])
    assert first["reason"] == "invalid"


def test_the_same_reject_is_written_once_and_counted_each_time(tmp_path: Path) -> None:
    """A run that meets only rejects that are known does not stop, however many they are."""
    path = tmp_path / "rejects.jsonl"
    first = run(path, reject(1), reject(2), reject(3))
    assert first.over_limit
    again = run(path, reject(1, _sdc_extracted_at="later"), reject(2), reject(3))
    assert again.counts["rejected"] == 3
    assert not again.over_limit
    assert len(lines(path)) == 3


def test_another_value_or_another_reason_is_another_reject(tmp_path: Path) -> None:
    """Negative control: what is new counts, and is written."""
    path = tmp_path / "rejects.jsonl"
    run(path, reject(1), max_rejects=9)
    assert run(path, reject(1, "why"), reject(1, note="x"), reject(2)).over_limit
    assert len(lines(path)) == 4


def test_on_reject_stop_stops_at_a_known_reject(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    for _ in range(2):
        assert run(path, reject(1), on_reject="stop").over_limit


def test_a_conflict_is_in_the_file_and_is_not_a_reject(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    conflict = Outcome(
        kind=OutcomeKind.CONFLICT, stream="reservations", record={"id": 5}, message="moved"
    )
    report = run(path, conflict, max_rejects=0)
    [line] = lines(path)
    assert (line["reason"], line["key"]) == ("conflict", {"id": 5})
    assert (report.counts["conflicts"], report.counts["rejected"]) == (1, 0)
    assert not report.over_limit


def test_a_reject_after_a_truncated_line_begins_on_a_new_line(tmp_path: Path) -> None:
    """After a kill or a full disk the next reject begins on its own line."""
    path = tmp_path / "rejects.jsonl"
    path.write_text('{"stream": "reserva')
    run(path, reject(1))
    assert json.loads(path.read_text().splitlines()[1])["key"] == {"externalId": 1}


def test_a_fingerprint_is_keyed(tmp_path: Path) -> None:
    """Another journal gives another fingerprint, so it cannot be used to look up a patient."""
    path = tmp_path / "rejects.jsonl"
    for key in "ab":
        rejects = Rejects(path, stamp=RunStamp(), digest=lambda value, k=key: k + digest(value))
        assert rejects.add(reject(1))
        rejects.close()


def test_rejects_past_retention_are_deleted(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    run(path, reject(1))
    rejects_of(path, retention_days=5).close()
    assert path.read_text()
    os.utime(path, (0, 0))
    rejects_of(path, retention_days=5, read_only=True).close()
    assert path.read_text(), "a dry run deletes nothing"
    rejects_of(path, retention_days=5).close()
    assert not path.read_text()


def test_results_have_one_line_for_each_record_and_no_patient_data(tmp_path: Path) -> None:
    path = tmp_path / "own/results.jsonl"
    record = {"externalId": 7, "name": "Jana"}
    operations = ("confirm_sync", "change_reservation_term")
    outcome = Outcome(
        kind=written_kind(operations),
        stream="reservations",
        record=record,
        row_id=5,
        operations=operations,
    )
    report = run(tmp_path / "r.jsonl", outcome, reject(8, name="Jana"), results=path)
    changed, rejected = lines(path)
    assert changed == {
        "run": changed["run"],
        "time": changed["time"],
        "stream": "reservations",
        "key": {"externalId": 7},
        "id": 5,
        "operation": "confirm_sync change_reservation_term",
        "outcome": "changed",
        "code": None,
        "message": None,
        "overlaps": [],
    }
    assert (rejected["outcome"], rejected["message"]) == ("rejected", "no")
    assert "Jana" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (report.counts["confirmed"], report.counts["changed"]) == (1, 1)


def test_at_the_limit_the_run_stops_after_storing_the_rejects(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    settings = {**SETTINGS, "rejects_path": str(path)}
    report = Report(
        rejects_of(path), Results(None, RunStamp()), Progress(is_visible=False), settings
    )
    report.add(reject(1))
    report.check_limits()
    report.add(reject(2))
    with pytest.raises(BookioError, match="rejects_path"):
        report.check_limits()
    assert len(lines(path)) == 2


def test_a_reject_by_bookio_has_the_reason_refused() -> None:
    refused = Outcome(kind=OutcomeKind.REJECTED, stream="reservations", record={}, code=30)
    assert refused.reason is Reason.REFUSED
