"""bookio-shards list: a token's facilities, split for the processes that read them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bookio_sandbox.running import in_thread
from tests.cli import Run, Tap, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox


@pytest.fixture(scope="module")
def clinic() -> Iterator[Sandbox]:
    with in_thread(size=200) as sandbox:
        yield sandbox


def listed(sandbox: Sandbox, count: object, **variables: str) -> Run:
    environment = {"TAP_BOOKIO_AUTH_TOKEN": sandbox.token, "TAP_BOOKIO_API_URL": sandbox.url}
    command = ["bookio-shards", "list", "--of", str(count), "--config", "ENV"]
    return run(*command, **environment | variables)


def shards(run: Run) -> list[dict[str, Any]]:
    assert run.code == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_all_shards_together_read_what_one_tap_reads(clinic: Sandbox, tap: Tap) -> None:
    """Each row of each facility is emitted by exactly one shard."""
    found = shards(listed(clinic, 3))
    assert len(found) > 1
    whole = tap()
    parts = [tap(facility_ids=shard["facility_ids"]) for shard in found]
    for stream in ("facilities", "calendars", "reservations", "blocked_times"):
        ids = [record["id"] for part in parts for record in part.records(stream)]
        assert sorted(ids) == sorted(record["id"] for record in whole.records(stream))
    assert [shard["shard"] for shard in found] == ["shard-00of03", "shard-01of03", "shard-02of03"]


def test_empty_shards_are_left_out_and_facility_ids_are_obeyed(
    clinic: Sandbox, tmp_path: Path
) -> None:
    first, second, *_ = sorted(row["id"] for row in clinic.rows("facilities"))
    config = tmp_path / "config.json"
    settings = {"auth_token": clinic.token, "api_url": clinic.url, "facility_ids": [second, first]}
    config.write_text(json.dumps(settings))
    [only] = shards(run("bookio-shards", "list", "--of=1", "--config", str(config)))
    assert only == {"shard": "shard-00of01", "facility_ids": [first, second]}
    assert len(shards(run("bookio-shards", "list", "--of=64", "--config", str(config)))) <= 2


@pytest.mark.parametrize(
    ("count", "variables", "line"),
    [
        (0, {}, "0 shards are not possible; use 1 to 64"),
        (4, {"TAP_BOOKIO_AUTH_TOKEN": "wrong-one"}, "check auth_token"),
        (4, {"TAP_BOOKIO_API_URL": "http://bookio.example"}, "write https instead of http"),
        (4, {"TAP_BOOKIO_FACILITY_IDS": "[77]"}, "facility_ids contains 77, which the token"),
        (4, {"TAP_BOOKIO_FACILITY_IDS": "[]"}, "facility_ids is an empty list"),
        (4, {"TAP_BOOKIO_FACILITY_ID": "77"}, "did you mean TAP_BOOKIO_FACILITY_IDS?"),
    ],
)
def test_an_impossible_configuration_is_reported_in_one_line(
    clinic: Sandbox, count: int, variables: dict[str, str], line: str
) -> None:
    failed = listed(clinic, count, **variables)
    assert (failed.code, failed.stdout) == (1, "")
    [said] = failed.stderr.splitlines()
    assert line in said
    assert "wrong-one" not in said


def test_a_token_that_may_not_list_facilities_needs_facility_ids(
    start_sandbox: StartSandbox,
) -> None:
    sandbox = start_sandbox(variant="no-facilities")
    failed = listed(sandbox, 4)
    assert (failed.code, failed.stdout) == (1, "")
    assert "set facility_ids to those that it may read" in failed.errors[-1]
    [only] = shards(listed(sandbox, 1, TAP_BOOKIO_FACILITY_IDS="[3, 2]"))
    assert only["facility_ids"] == [2, 3]
