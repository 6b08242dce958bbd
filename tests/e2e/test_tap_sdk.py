"""The Singer SDK's own tests of a tap, and the catalog as users know it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from bookio_sandbox.running import in_thread
from tap_bookio.tap import TapBookio
from tests.cli import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

CONFIG = {"auth_token": "sandbox-token"}


@pytest.fixture(scope="module", autouse=True)
def bookio() -> Iterator[None]:
    with in_thread(size=120, seed=4) as sandbox:
        CONFIG["api_url"] = sandbox.url
        yield


TestTapBookio = get_tap_test_class(
    TapBookio,
    config=CONFIG,
    suite_config=SuiteConfig(ignore_no_records_for_streams=[]),
)


def test_the_catalog_is_unchanged(tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(CONFIG))
    catalog = json.loads(run("tap-bookio", "--config", str(config), "--discover").stdout)
    assert catalog == snapshot
