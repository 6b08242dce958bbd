"""A list that does not change is read once: the scan recognises rows it has seen."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import StartSandbox


def test_a_calm_sync_asks_for_each_page_once(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    sandbox = start_sandbox(size=2000, seed=5)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auth_token": sandbox.token, "api_url": sandbox.url}))

    run = subprocess.run(
        [str(Path(sys.executable).with_name("tap-bookio")), "--config", str(config)],
        capture_output=True,
        text=True,
        check=True,
    )

    asked = Counter(
        (request["query"]["facilityId"], request["query"]["offset"])
        for request in sandbox.requests("list_reservations")
    )
    again = {where: times for where, times in asked.items() if times > 1 and where[1] != "0"}
    assert not again, "pages that did not join were asked for again"
    messages = [json.loads(line) for line in run.stdout.splitlines()]
    keys = Counter(
        m["record"]["id"]
        for m in messages
        if m["type"] == "RECORD" and m["stream"] == "reservations"
    )
    assert len(keys) == len(sandbox.rows("reservations"))
    assert set(keys.values()) == {1}
