"""A full sync: every key once, every datetime with its offset, safe bookmarks."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from tests.cli import Run, Tap, run

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

STREAMS = ("facilities", "calendars", "reservations", "blocked_times")
WITH_OFFSET = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d")


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=700, seed=11)


def bookmarks(synced: Run, stream: str = "reservations") -> dict[int, int]:
    partitions = synced.state["bookmarks"][stream]["partitions"]
    return {p["context"]["facilityId"]: p["replication_key_value"] for p in partitions}


def asked(clinic: Sandbox, operation: str = "list_reservations") -> list[dict[str, Any]]:
    return [r for r in clinic.requests(operation) if r["query"]["offset"] == "0"]


@pytest.mark.parametrize(
    "paging",
    [
        {"page_size": 4},
        {"page_size": 7, "max_concurrency": 1},
        {"page_size": 100, "max_concurrency": 8},
    ],
)
def test_each_key_is_emitted_exactly_once(
    tap: Tap, clinic: Sandbox, paging: dict[str, int]
) -> None:
    synced = tap(**paging)
    assert synced.code == 0, synced.stderr
    for stream in STREAMS:
        keys = Counter(record["id"] for record in synced.records(stream))
        assert keys == {row["id"]: 1 for row in clinic.rows(stream)}


def test_every_datetime_has_the_offset_of_its_facility(tap: Tap, clinic: Sandbox) -> None:
    synced = tap()
    zones = {row["id"]: row["timeZone"] for row in clinic.rows("facilities")}
    assert len(set(zones.values())) > 1
    offsets: dict[str, set[str]] = {zone: set() for zone in zones.values()}
    schemas = {m["stream"]: m["schema"] for m in synced.messages if m["type"] == "SCHEMA"}
    for stream in STREAMS:
        fields = schemas[stream]["properties"]
        dates = [name for name, field in fields.items() if field.get("format") == "date-time"]
        for record in synced.records(stream):
            jsonschema.validate(record, schemas[stream])
            for name in dates:
                if record.get(name) is not None:
                    assert WITH_OFFSET.fullmatch(record[name])
                    offsets[zones[record["facilityId"]]].add(record[name][-6:])
    assert offsets["Europe/Bratislava"] == {"+01:00", "+02:00"}
    assert offsets["Atlantic/Canary"] <= {"+00:00", "+01:00"}


@pytest.mark.parametrize(
    ("wall", "expected"),
    [
        ("2026-03-29T02:30:00", "2026-03-29T02:30:00+01:00"),  # skipped: offset before the change
        ("2026-10-25T02:30:00", "2026-10-25T02:30:00+02:00"),  # twice: the first
        ("2028-02-29T00:00:00", "2028-02-29T00:00:00+01:00"),
        ("2026-07-01T00:00:00", "2026-07-01T00:00:00+02:00"),
    ],
)
def test_nights_of_clock_changes_have_the_right_offset(
    tap: Tap, clinic: Sandbox, wall: str, expected: str
) -> None:
    zones = {row["timeZone"]: row["id"] for row in clinic.rows("facilities")}
    key = clinic.insert("reservations", facilityId=zones["Europe/Bratislava"], dateFrom=wall)
    [record] = [r for r in tap().records("reservations") if r["id"] == key]
    assert record["dateFrom"] == expected


def test_the_bookmark_is_the_time_of_the_first_request(tap: Tap, clinic: Sandbox) -> None:
    first = tap(lookback_seconds=0)
    for facility, value in bookmarks(first).items():
        [question] = [r for r in asked(clinic) if r["query"]["facilityId"] == str(facility)][:1]
        assert "lastSync" not in question["query"]
        assert value <= question["at"]
    clinic.advance(days=1)
    before = len(asked(clinic))
    second = tap(lookback_seconds=0, state=first.state)
    for question in asked(clinic)[before:]:
        facility = int(question["query"]["facilityId"])
        assert int(question["query"]["lastSync"]) <= bookmarks(first)[facility]
        assert bookmarks(second)[facility] > bookmarks(first)[facility]
    changed = {
        row["id"]
        for row in clinic.rows("reservations")
        if row["_modified"] > max(bookmarks(first).values()) + 1000
    }
    assert changed
    assert changed <= {record["id"] for record in second.records("reservations")}
    assert len(second.records("reservations")) < len(clinic.rows("reservations")) / 2


def test_lookback_seconds_moves_last_sync_back(tap: Tap, clinic: Sandbox) -> None:
    first = tap()
    before = len(asked(clinic))
    tap(state=first.state, lookback_seconds=3600)
    for question in asked(clinic)[before:]:
        facility = int(question["query"]["facilityId"])
        assert int(question["query"]["lastSync"]) == bookmarks(first)[facility] - 3_600_000


def test_an_empty_list_advances_the_bookmark(tap: Tap, clinic: Sandbox) -> None:
    first = tap()
    clinic.behave(last_sync="gt")
    clinic.advance(seconds=3600)
    for stream in ("reservations", "blocked_times"):
        assert clinic.rows(stream)
    second = tap(state=first.state, lookback_seconds=0)
    for facility, value in bookmarks(second).items():
        assert value >= bookmarks(first)[facility] + 3_599_000


def test_an_unreliable_list_keeps_its_bookmark_and_the_others_advance(
    tap: Tap, clinic: Sandbox
) -> None:
    first = tap()
    clinic.advance(days=2)
    sick = clinic.rows("facilities")[0]["id"]
    page = {"reservations": [{"id": n} for n in range(1, 101)]}
    endless = {"result": {"success": True, "data": page}}
    clinic.script("list_reservations", {"body": json.dumps(endless), "times": 4})
    second = tap(state=first.state, max_concurrency=1)
    assert second.code == 1
    assert len(second.errors) == 1
    assert "incomplete" in second.errors[0]
    moved = [f for f, value in bookmarks(second).items() if value > bookmarks(first)[f]]
    assert set(moved) == bookmarks(first).keys() - {sick}
    assert all(
        v > bookmarks(first, "blocked_times")[f]
        for f, v in bookmarks(second, "blocked_times").items()
    )
    assert {r["id"] for r in second.records("reservations")} >= set(range(1, 101))


@pytest.mark.parametrize(
    ("seconds", "lookback", "is_noticed"),
    [(86_400, 300, True), (40, 0, True), (40, 10, True), (40, 300, False)],
)
def test_everything_is_read_after_the_servers_clock_was_set_back(
    tap: Tap, clinic: Sandbox, seconds: int, lookback: int, *, is_noticed: bool
) -> None:
    """What changed while the clock repeated itself is read, unless the lookback covers it."""
    clinic.stop_clock()
    first = tap()
    ahead = json.loads(json.dumps(first.state))
    for partition in ahead["bookmarks"]["reservations"]["partitions"]:
        partition["replication_key_value"] += seconds * 1000
    second = tap(state=ahead, lookback_seconds=lookback)
    assert second.code == 0
    assert ("went back" in second.stderr) is is_noticed
    if is_noticed:
        assert len(second.records("reservations")) == len(clinic.rows("reservations"))


def test_a_token_that_may_not_list_facilities_can_read_lists(tap: Tap, clinic: Sandbox) -> None:
    clinic.behave(forbid=["list_facilities"])
    synced = tap(default_timezone="Europe/Bratislava")
    assert synced.code == 0, synced.stderr
    assert len(synced.records("reservations")) == len(clinic.rows("reservations"))
    assert "facilityId" not in asked(clinic)[0]["query"]
    again = tap(state=synced.state)
    assert again.code == 0
    assert "lastSync" in asked(clinic)[-1]["query"]


def test_filters_are_passed_on(tap: Tap, clinic: Sandbox) -> None:
    facility = clinic.rows("facilities")[0]["id"]
    synced = tap(
        facility_ids=[facility],
        only_unsynced=True,
        start_date="2026-09-01",
        reservations_from="2026-08-01",
        reservations_to="2026-09-30",
    )
    assert synced.code == 0, synced.stderr
    assert {r["query"]["facilityId"] for r in asked(clinic)} == {str(facility)}
    query = asked(clinic)[0]["query"]
    assert (query["from"], query["to"]) == ("2026-08-01", "2026-09-30")
    assert query["onlyUnsynced"] == "true"
    assert query["lastSync"] == "1788213600000", "midnight of 1 September in Bratislava"


def test_singer_features_of_the_sdk_work(tap: Tap, tmp_path: Path) -> None:
    catalog = json.loads(tap("--discover").stdout)
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            chosen = stream["tap_stream_id"] == "reservations"
            dropped = entry["breadcrumb"][-1:] == ["email"]
            entry["metadata"]["selected"] = chosen and not dropped
    selected = tap(catalog=catalog)
    assert selected.records("blocked_times") == []
    assert all("email" not in r and "name" in r for r in selected.records("reservations"))

    mapped = tap(stream_maps={"reservations": {"email": "md5(email)", "phone": None}})
    assert all(len(r["email"]) == 32 and "phone" not in r for r in mapped.records("reservations"))

    flat = tap(flattening_enabled=True, flattening_max_depth=3)
    assert all("address__city" in r for r in flat.records("facilities"))

    batched = tap(
        batch_config={
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": tmp_path.as_uri()},
        }
    )
    assert {m["stream"] for m in batched.messages if m["type"] == "BATCH"} == set(STREAMS)


def test_about_and_version_describe_the_plugin() -> None:
    about = json.loads(run("tap-bookio", "--about", "--format=json").stdout)
    properties = about["settings"]["properties"]
    assert {"auth_token", "personal_data", "detect_deletions"} <= properties.keys()
    assert all(setting.get("description") for setting in properties.values())
    assert "lookback_seconds" in run("tap-bookio", "--about", "--format=markdown").stdout
    assert "tap-bookio v" in run("tap-bookio", "--version").stdout


def test_with_batch_no_bookmark_is_emitted_before_its_rows(
    tap: Tap, clinic: Sandbox, tmp_path: Path
) -> None:
    encoding = {"format": "jsonl", "compression": "gzip"}
    batches = {"encoding": encoding, "storage": {"root": tmp_path.as_uri()}, "batch_size": 50}
    synced = tap(batch_config=batches)
    assert synced.code == 0, synced.stderr
    for stream in ("reservations", "blocked_times"):
        kinds = []
        for message in synced.messages:
            if message["type"] == "STATE":
                of_stream = message["value"].get("bookmarks", {}).get(stream, {})
                kinds += ["moved"] * ("replication_key_value" in str(of_stream))
            elif message.get("stream") == stream:
                kinds.append(message["type"])
        assert kinds.index("moved") > max(n for n, kind in enumerate(kinds) if kind == "BATCH")
        assert kinds.count("BATCH") > 1
        assert set(bookmarks(synced, stream)) == {row["id"] for row in clinic.rows("facilities")}


def test_a_catalog_of_another_mode_does_not_restore_omitted_fields(tap: Tap) -> None:
    catalog = json.loads(tap("--discover").stdout)
    assert "cancellationReason" in str(catalog)
    synced = tap(catalog=catalog, personal_data="omit")
    assert synced.code == 0, synced.stderr
    schemas = {m["stream"]: m["schema"] for m in synced.messages if m["type"] == "SCHEMA"}
    assert schemas.keys() == set(STREAMS)
    assert not {"note", "email", "surname"} & schemas["reservations"]["properties"].keys()
    assert "note" not in schemas["calendars"]["properties"]["services"]["items"]["properties"]
    for record in synced.records("reservations"):
        assert record.keys() <= schemas["reservations"]["properties"].keys()
