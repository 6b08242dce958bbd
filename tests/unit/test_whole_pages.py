"""Whole pages and the SDK write the same bytes; the SDK is used when it must be."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tap_bookio.output.block_writer import BlockWriter
from tap_bookio.output.whole_pages import WholePages
from tap_bookio.tap import TapBookio
from tests.cli import Tap

if TYPE_CHECKING:
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

EXTRACTED = re.compile(rb'"time_extracted":"[^"]+"')


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=300, seed=8)


class Pages(list[int]):
    """How many records each whole page had."""


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Pages:
    seen, write_block = Pages(), BlockWriter.write_block

    def counted(self: BlockWriter, *pieces: bytes | memoryview) -> None:
        seen.append(b"".join(pieces).count(b"\n"))
        write_block(self, *pieces)

    monkeypatch.setattr(BlockWriter, "write_block", counted)
    return seen


def sync(clinic: Sandbox, **settings: Any) -> bytes:
    config = {"auth_token": clinic.token, "api_url": clinic.url, **settings}
    tap = TapBookio(config=config, parse_env_config=False)
    output = io.TextIOWrapper(io.BytesIO())
    with contextlib.redirect_stdout(output):
        tap.sync_all()
        tap.close()
        sys.stdout.flush()
    return output.buffer.getvalue()


@pytest.mark.parametrize("settings", [{}, {"detect_deletions": True}, {"personal_data": "omit"}])
def test_whole_pages_and_the_sdk_write_the_same_bytes(
    clinic: Sandbox, pages: Pages, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.insert("reservations", unknownField={"deep": "2026-07-01T10:00:00"})
    fast = sync(clinic, **settings)
    assert sum(pages) > 300
    pages.clear()
    monkeypatch.setattr(WholePages, "passes_records_unchanged", False)
    slow = sync(clinic, **settings)
    assert pages == []

    def comparable(output: bytes) -> list[bytes]:
        lines = [EXTRACTED.sub(b"", line) for line in output.splitlines()]
        lines = [re.sub(rb'"version":\d+', b'"version"', line) for line in lines]
        return [line for line in lines if b'"type":"STATE"' not in line]

    assert comparable(fast) == comparable(slow)
    assert b'"time_extracted":"20' in fast


@pytest.mark.parametrize(
    "settings",
    [
        {"stream_maps": {"*": {"x": "id"}}},
        {"flattening_enabled": True, "flattening_max_depth": 2},
    ],
)
def test_records_that_the_sdk_changes_are_left_to_it(
    clinic: Sandbox, pages: Pages, settings: dict[str, Any]
) -> None:
    assert b'"type":"RECORD"' in sync(clinic, **settings)
    assert pages == []


def test_a_connection_test_writes_nothing(clinic: Sandbox, pages: Pages) -> None:
    config = {"auth_token": clinic.token, "api_url": clinic.url}
    tap = TapBookio(config=config, parse_env_config=False)
    assert tap.run_connection_test()
    tap.close()
    assert pages == []


@pytest.mark.parametrize("settings", [{}, {"flattening_enabled": True, "flattening_max_depth": 2}])
def test_records_are_counted_by_facility(
    clinic: Sandbox, tmp_path: Path, settings: dict[str, Any]
) -> None:
    """Each facility has its own counter, whichever way its records take."""
    synced = Tap(clinic, tmp_path)(**settings)
    metric = r'"record_count","value":(\d+),"tags":{"stream":"reservations",.*"facilityId":(\d+)'
    counted = {int(key): int(rows) for rows, key in re.findall(metric, synced.stderr)}
    assert counted, "a test that cannot see proves nothing"
    assert counted == Counter(row["facilityId"] for row in clinic.rows("reservations"))


def test_a_page_without_records_writes_nothing(clinic: Sandbox) -> None:
    """A facility without calendars writes nothing."""
    for calendar in clinic.rows("calendars"):
        clinic.remove("calendars", calendar["id"])
    messages = [json.loads(line) for line in sync(clinic).splitlines()]
    assert not [m for m in messages if m["type"] == "RECORD" and m["stream"] == "calendars"]
    assert [m for m in messages if m["type"] == "RECORD" and m["stream"] == "reservations"]
