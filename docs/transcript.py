"""Runs the doctor against a sandbox that differs, and writes what it prints into docs/doctor.md."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bookio_sandbox.running import in_thread

PAGE = Path(__file__).parent / "doctor.md"


def main() -> None:
    """Replace the transcript on the page."""
    a_day_ago = datetime.now(UTC) - timedelta(days=1)
    with in_thread(size=400, variant="other-paths", clock=a_day_ago) as sandbox:
        sandbox.advance(days=1)
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "config.json"
            config.write_text(json.dumps({"auth_token": sandbox.token, "api_url": sandbox.url}))
            command = [Path(sys.executable).parent / "bookio-doctor", "--config", str(config)]
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, "COLUMNS": "120", "PATH": os.defpath},
            )
    text = f"```\n{done.stdout.rstrip()}\n\n(exit code {done.returncode})\n```\n"
    page = PAGE.read_text()
    marks = r"(<!-- transcript -->\n).*?(<!-- /transcript -->)"
    PAGE.write_text(re.sub(marks, lambda m: m[1] + text + m[2], page, flags=re.DOTALL))


if __name__ == "__main__":
    main()
