"""Tap and target against a different model of Bookio, with different choices."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli import Run, run, singer_lines
from tests.other_bookio import TOKEN, OtherBookio, other_bookio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def bookio() -> Iterator[OtherBookio]:
    with other_bookio() as bookio:
        known = {"created": "2026-01-05 08:00:00", "status": "CONFIRMED", "externalId": None}
        for n in range(333):
            starts = f"2026-07-{1 + n % 28:02}T09:00"
            bookio.add("reservations", facilityId=5 + n % 2, dateFrom=starts, vip=True, **known)
        days = {"dateFrom": "2026-12-24T00:00:00", "dateTo": "2026-12-27T00:00:00"}
        bookio.add("blocked", facilityId=5, **days)
        yield bookio


def call(program: str, bookio: OtherBookio, folder: Path, stdin: str = "", **more: Any) -> Run:
    config = folder / f"{program}.json"
    config.write_text(json.dumps({"auth_token": TOKEN, "api_url": bookio.url, **more}))
    return run(program, "--config", str(config), stdin=stdin)


def write(bookio: OtherBookio, folder: Path, stream: str, *records: dict[str, Any]) -> Run:
    own = {"journal_path": str(folder / "j/j.sqlite3"), "rejects_path": str(folder / "j/r.jsonl")}
    return call("target-bookio", bookio, folder, singer_lines(stream, list(records)), **own)


def test_the_tap_reads_every_row_of_another_bookio(bookio: OtherBookio, tmp_path: Path) -> None:
    synced = call("tap-bookio", bookio, tmp_path)
    assert synced.code == 0, synced.stderr
    keys = Counter(record["id"] for record in synced.records("reservations"))
    assert keys == dict.fromkeys(bookio.rows["reservations"], 1)
    record = next(r for r in synced.records("reservations") if r["facilityId"] == 6)
    assert record["dateFrom"][16:] == ":00+01:00", "summer on the Canaries"
    assert record["created"] == "2026-01-05T08:00:00+00:00"
    assert record["vip"] is True
    assert len(synced.records("blocked_times")) == 1
    partitions = synced.state["bookmarks"]["reservations"]["partitions"]
    assert [type(p["replication_key_value"]) for p in partitions] == [int, int]


def test_a_refused_token_of_another_bookio_is_recognised(
    bookio: OtherBookio, tmp_path: Path
) -> None:
    refused = call("tap-bookio", bookio, tmp_path, auth_token="wrong")
    assert refused.code == 1
    assert "auth_token" in refused.errors[0]


def test_the_target_writes_once_to_another_bookio(bookio: OtherBookio, tmp_path: Path) -> None:
    booking = {
        "externalId": 1,
        "facilityId": 6,
        "serviceId": 2,
        "name": "J",
        "surname": "N",
        "email": "j@example.org",
        "phone": "0905",
        "locale": "sk",
        "dateFrom": "2026-12-01T10:00:00+01:00",
    }
    for _ in range(2):
        assert write(bookio, tmp_path, "reservations", booking).code == 0
    [row] = [r for r in bookio.rows["reservations"].values() if r["externalId"] == 1]
    assert row["dateFrom"] == "2026-12-01T09:00:00", "an hour earlier on the Canaries"
    cancelled = {**booking, "status": "CANCELLED"}
    for _ in range(2):
        assert write(bookio, tmp_path, "reservations", cancelled).code == 0
    assert row["status"] == "CANCELLED"
    block = {
        "externalId": 7,
        "facilityId": 5,
        "dateFrom": "2026-12-30T08:00:00",
        "dateTo": "2026-12-30T09:00:00",
        "note": "-",
    }
    gone = {**block, "_sdc_deleted_at": "2026-11-01T00:00:00Z"}
    for record in (block, block, gone, gone):
        assert write(bookio, tmp_path, "blocked_times", record).code == 0
    assert [w.split("/")[0] for w in bookio.writes] == ["POST ", "PUT ", "POST ", "DELETE "]
