"""Runs the demo with its warehouse and log in the working folder."""

from __future__ import annotations

from pathlib import Path

import run

run.WAREHOUSE, run.LOG = Path("bookio.duckdb"), Path("demo.log")
run.main()
