"""The SDK's own tests of a target, as far as they apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from singer_sdk.testing.suites import target_tests
from singer_sdk.testing.target_tests import TargetCliPrintsTest

from tests.cli import Target, run

if TYPE_CHECKING:
    from pathlib import Path

    from bookio_sandbox.running import Sandbox

# All others load their own streams (users, test_camelcase, …) into tables, and look whether any
# stream can be taken. Bookio has three kinds of rows that can be written: they must be refused.
WITH_STREAMS_OF_THEIR_OWN = [t for t in target_tests.tests if t is not TargetCliPrintsTest]


@pytest.mark.parametrize("test", WITH_STREAMS_OF_THEIR_OWN, ids=lambda test: test.name)
def test_a_stream_that_bookio_does_not_have_is_refused(
    test: type, sandbox: Sandbox, tmp_path: Path
) -> None:
    file = test().singer_filepath
    lines = file.read_text() if file.exists() else ""
    target = Target(sandbox, tmp_path)
    refused = run("target-bookio", *target.command()[1:], stdin=lines)
    if '"type": "RECORD"' in lines or '"type":"RECORD"' in lines:
        assert refused.code == 1
        assert len(refused.errors) == 1, refused.stderr
        assert "input" in refused.errors[0] or "stream" in refused.errors[0]
    assert "Traceback" not in refused.stderr
    assert [r for r in sandbox.requests() if r["method"] != "GET"] == []


def test_the_command_line_prints_the_expected_lines() -> None:
    for option in ("--version", "--about", "--help"):
        assert run("target-bookio", option).code == 0
