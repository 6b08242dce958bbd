"""Writes what programs print into the docs: bookio-doctor, and the last make airflow-demo.

The doctor is run, against a sandbox that differs, for docs/doctor.md. The demo takes minutes, so
what it left in output/airflow is put into docs/how-to/airflow.md.
"""

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

DOCS = Path(__file__).parent
ACCOUNT = DOCS.parent / "output/airflow/account.txt"


def main() -> None:
    """Replace the transcripts on the pages."""
    replace("doctor.md", "transcript", what_the_doctor_prints())
    if ACCOUNT.exists():
        replace("how-to/airflow.md", "airflow-demo", ACCOUNT.read_text())


def what_the_doctor_prints() -> str:
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
    return f"{done.stdout.rstrip()}\n\n(exit code {done.returncode})"


def replace(page: str, mark: str, text: str) -> None:
    path = DOCS / page
    marks = rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)"
    lines = "\n".join(line.rstrip() for line in text.rstrip().splitlines())
    block = f"```\n{lines}\n```\n"
    content = re.sub(marks, lambda m: m[1] + block + m[2], path.read_text(), flags=re.DOTALL)
    path.write_text(content)


if __name__ == "__main__":
    main()
