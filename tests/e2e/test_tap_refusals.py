"""Bad input gets one clear line and exit code 1; nothing is lost or leaked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli import Tap

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox

TOKEN = "sandbox-token"
BATCHES = {"encoding": {"format": "jsonl", "compression": "gzip"}, "storage": {"root": "file:///"}}


@pytest.fixture
def tap(sandbox: Sandbox, tmp_path: Path) -> Tap:
    return Tap(sandbox, tmp_path)


@pytest.mark.parametrize(
    ("settings", "clue"),
    [
        ({"auth_token": "wrong-token"}, "check auth_token"),
        ({"auth_token": ""}, "auth_token"),
        ({"auth_token": "two words"}, "auth_token"),
        ({"start_date": "yesterday"}, "start_date"),
        ({"start_date": "2026-02-30"}, "start_date"),
        ({"reservations_from": "31.1.2026"}, "reservations_from"),
        ({"default_timezone": "Bratislava"}, "IANA"),
        ({"api_url": "http://medic.example.org/api"}, "https"),
        # pragma: allowlist nextline secret
        ({"api_url": "https://user:pass@medic.example.org/api"}, "user name"),
        ({"api_url": "medic.example.org"}, "api_url"),
        ({"facility_ids": [999_999]}, "999999"),
        ({"facility_ids": "1,2"}, "facility_ids"),
        ({"facility_ids": []}, "facility_ids is an empty list"),
        ({"start_date": "2026-W05-3"}, "write it as 2024-01-31"),
        ({"start_date": "2026-01-31T08"}, "write it as 2024-01-31"),
        ({"start_date": "2026-01-31x08:00:00"}, "write it as 2024-01-31"),
        ({"endpoint_overrides": {"list_rooms": "GET /rooms"}}, "list_rooms"),
        ({"endpoint_overrides": {"confirm_sync": "PUT /reservations/confirm"}}, "reservationId"),
        ({"endpoint_overrides": {"list_reservations": "GET /nowhere"}}, "endpoint_overrides"),
        ({"page_size": 500}, "page_size"),
        ({"personal_data": "pseudonymise"}, "personal_data_key"),
        ({"personal_data": "hide"}, "keep"),
        ({"detect_deletions": True, "batch_config": BATCHES}, "batch_config"),
        ({"detect_deletions": True, "blocked_times_from": "2026-01-01"}, "blocked_times_from"),
    ],
)
def test_an_invalid_setting_is_reported_in_one_line(
    tap: Tap, settings: dict[str, Any], clue: str
) -> None:
    refused = tap(**settings)
    assert refused.code == 1
    assert len(refused.errors) == 1, refused.stderr
    assert clue in refused.errors[0]
    assert "Traceback" not in refused.stderr
    assert TOKEN not in refused.stderr + refused.stdout
    assert not refused.records("reservations")


BOOKMARK = {"replication_key": "lastSync", "replication_key_value": 1789538400000}


@pytest.mark.parametrize(
    "state",
    [
        "not json",
        "[]",
        {"bookmarks": []},
        {"reservations": "2026-01-01"},
        {"value": {"bookmarks": {}}},
        {"type": "STATE", "value": {"bookmarks": {}}},
        {"bookmarks": {}, "type": "STATE"},
        {"bookmarks": {"facilities": {"partitions": 5}}},
        {"bookmarks": {"calendars": {"partitions": [5]}}},
        {"bookmarks": {"reservations": {"progress_markers": []}}},
        {
            "bookmarks": {
                "blocked_times": {"partitions": [{"context": {"facilityId": 1}, "rows": "many"}]}
            }
        },
        {
            "bookmarks": {
                "reservations": {
                    "partitions": [{"context": {"facilityId": 1, "doctor": 2}, **BOOKMARK}]
                }
            }
        },
        {"bookmarks": {"patients": {}}},
        {"bookmarks": {"reservations": {"partitions": [BOOKMARK]}}},
        {"bookmarks": {"reservations": {"replication_key_value": "2026-09-16T06:00:00Z"}}},
        {"bookmarks": {"reservations": {"replication_key": "updated_at"}}},
        {
            "bookmarks": {
                "reservations": {
                    "partitions": [
                        {"context": {"facilityId": 1}, "replication_key_value": 1789538400}
                    ]
                }
            }
        },
    ],
)
def test_a_foreign_state_is_refused(tap: Tap, state: Any) -> None:
    refused = tap(state=state)
    assert refused.code == 1
    assert len(refused.errors) == 1, refused.stderr
    assert "state" in refused.errors[0]
    assert "Traceback" not in refused.stderr
    assert refused.messages == []


def catalog_of(**entry: Any) -> dict[str, Any]:
    return {"streams": [{"tap_stream_id": "reservations", **entry}]}


@pytest.mark.parametrize(
    ("catalog", "clue"),
    [
        ([], "not a Singer catalog"),
        ("null", "not a Singer catalog"),
        ({"streams": "x"}, "not a Singer catalog"),
        ({"streams": [5]}, "not a Singer catalog"),
        (catalog_of(schema=[]), "not a Singer catalog"),
        (catalog_of(schema={"properties": {"id": "x"}}), "not a Singer catalog"),
        (catalog_of(schema={"properties": {"id": {"type": 5}}}), "not a Singer catalog"),
        (catalog_of(metadata=5), "not a Singer catalog"),
        ({}, "names none of facilities, calendars"),
        ({"streams": [{"tap_stream_id": "rooms", "schema": {}}]}, "names none of facilities"),
    ],
)
def test_a_catalog_of_another_tap_is_refused(tap: Tap, catalog: Any, clue: str) -> None:
    refused = tap(catalog=catalog)
    assert refused.code == 1
    assert len(refused.errors) == 1, refused.stderr
    assert clue in refused.errors[0]
    assert "tap-bookio --discover" in refused.errors[0]
    assert refused.messages == []


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "secret("},
        {"name": "secret + 1"},
        {"name": "1/0"},
        {"x": "int(name)"},
        {"x": "md5(5)"},
        {"__key_properties__": ["secret"]},
        {"x": "config['secret']"},
    ],
    ids=str,
)
def test_an_invalid_stream_map_is_refused(
    tap: Tap, sandbox: Sandbox, changes: dict[str, Any]
) -> None:
    sandbox.insert("reservations", name="Kanárik")
    refused = tap(stream_maps={"reservations": changes})
    assert refused.code == 1
    assert len(refused.errors) == 1, refused.stderr
    assert "stream_maps failed" in refused.errors[0]
    assert "Kan" not in refused.errors[0]
    assert "secret" not in refused.errors[0]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "md5(email)"}, "email"),
        ({"phone": "md5(phon)"}, "phone"),
        ({"hash": "md5(neverSent)"}, "hash"),
    ],
)
def test_a_stream_map_that_fails_is_named_by_stream_and_field(
    tap: Tap, sandbox: Sandbox, changes: dict[str, Any], field: str
) -> None:
    """A null where an expression expects a text, or a name that no record has."""
    sandbox.insert("reservations", email=None)
    refused = tap(stream_maps={"reservations": changes})
    assert refused.code == 1
    [line] = refused.errors
    assert f"for reservations.{field} (" in line
    assert tap(stream_maps={"reservations": {"email": "md5(email) if email else None"}}).code == 0


@pytest.mark.parametrize("state", [{}, {"bookmarks": {}}])
def test_an_empty_state_is_a_first_run(tap: Tap, state: Any) -> None:
    assert tap(state=state).code == 0


def test_the_next_run_accepts_the_state_of_the_last(tap: Tap) -> None:
    for settings in ({}, {"detect_deletions": True}, {"endpoint_overrides": {}}):
        first = tap(**settings)
        assert tap(state=first.state, **settings).code == 0
        assert all(tap(state=m["value"]).code == 0 for m in first.messages[-3:] if "value" in m)


@pytest.mark.parametrize(
    ("answer", "clue"),
    [
        ({"status": 200, "body": "<html>Welcome</html>"}, "api_url"),
        ({"status": 302, "headers": {"Location": "/elsewhere"}}, "redirects"),
        ({"status": 200, "body": "{}"}, "api_url"),
        ({"status": 200, "body": '{"result": {"success": true, "data": null}}'}, "no list"),
        ({"status": 429, "headers": {"Retry-After": "3600"}}, "come back at"),
        ({"status": 200, "body": '{"result": {"success": false}}'}, "list_facilities"),
    ],
)
def test_an_unusable_response_is_reported_in_one_line(
    tap: Tap, sandbox: Sandbox, answer: dict[str, Any], clue: str
) -> None:
    sandbox.script("list_facilities", {**answer, "times": 20})
    refused = tap()
    assert refused.code == 1
    assert len(refused.errors) == 1, refused.stderr
    assert clue in refused.errors[0]
    assert not refused.records("facilities")


def test_a_response_with_too_many_rows_is_refused(tap: Tap, sandbox: Sandbox) -> None:
    rows = ",".join(f'{{"id":{n}}}' for n in range(100_001))
    body = f'{{"result":{{"success":true,"data":{{"reservations":[{rows}]}}}}}}'
    sandbox.script("list_reservations", {"status": 200, "body": body, "times": 20})
    refused = tap()
    assert refused.code == 1
    assert len(refused.errors) == 1, refused.stderr
    assert "a response contains 100001 rows" in refused.errors[0]


def test_a_response_that_grows_when_decoded_is_refused(tap: Tap, sandbox: Sandbox) -> None:
    body = '{"result":{"success":true,"data":{"reservations":[' + "[]," * 2_000_000 + "[]]}}}"
    sandbox.script("list_reservations", {"status": 200, "body": body, "times": 20})
    refused = tap()
    assert refused.code == 1
    assert len(refused.errors) == 1, refused.stderr
    assert "more than 2000000 lists and objects" in refused.errors[0]


@pytest.mark.parametrize("key", [2**63, -(2**63) - 1, 10**40, "9" * 20])
def test_an_id_that_is_not_an_int64_is_refused(tap: Tap, sandbox: Sandbox, key: Any) -> None:
    body = json.dumps({"result": {"success": True, "data": {"reservations": [{"id": key}]}}})
    sandbox.script("list_reservations", {"status": 200, "body": body, "times": 20})
    refused = tap()
    assert refused.code == 1
    assert len(refused.errors) == 1, refused.stderr
    assert "a row has no numeric id" in refused.errors[0]
    assert not refused.records("reservations")


def test_an_unreachable_host_is_reported_in_one_line(tap: Tap) -> None:
    refused = tap(api_url="http://127.0.0.1:9/public/api/v1")
    assert refused.code == 1
    assert len(refused.errors) == 1
    assert "cannot be reached" in refused.errors[0]


def test_a_broken_config_is_reported_with_its_line(tap: Tap, tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('{"auth_token": "sandbox-token",\n oops')
    refused = tap("--config", str(broken))
    assert refused.code == 1
    assert "not JSON" in refused.errors[0]
    assert TOKEN not in refused.stderr
    missing = tap("--config", str(tmp_path / "missing.json"))
    assert missing.code == 1
    assert "missing.json" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_a_connection_test_reports_what_works_and_shows_no_patient(
    tap: Tap, sandbox: Sandbox
) -> None:
    sandbox.insert("reservations", name="Kanárik")
    good = tap("--test")
    assert good.code == 0
    assert good.stdout == ""
    assert "reservations: works" in good.stderr
    assert tap("--test", auth_token="wrong").code == 1
    partly = tap("--test", endpoint_overrides={"list_blocked_times": "GET /nowhere"})
    assert partly.code == 1
    assert "endpoint_overrides" in partly.stderr
    assert "reservations: works" in partly.stderr
