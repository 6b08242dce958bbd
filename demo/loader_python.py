"""Exits with 1 unless this Python can run Meltano, the loaders, dbt and Airflow."""

from __future__ import annotations

import sys

# duckdb 1.2.2, which target-duckdb needs, has no wheel for 3.14.
if not (3, 11) <= sys.version_info < (3, 14):
    running = ".".join(map(str, sys.version_info[:2]))
    sys.exit(
        f"Meltano and the loaders need Python 3.11 to 3.13, but this is {running}: "
        "add LOADER_PYTHON=python3.13 to the command"
    )
