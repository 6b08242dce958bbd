"""Leaves a process in its own session without a parent, prints its id, and ends what it left."""

from __future__ import annotations

import subprocess

from demo.airflow.processes import none_left

with none_left():
    orphan = "setsid sleep 600 > /dev/null & echo $!"
    print(subprocess.check_output(["/bin/bash", "-c", orphan], text=True))
