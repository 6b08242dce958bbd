"""Processes that all end with the demo, whichever process started them and however it ends."""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

_PR_SET_CHILD_SUBREAPER = 36  # of Linux
GRACE_S = 10


@contextmanager
def none_left() -> Iterator[None]:
    """End what is left of the block's processes, also of those whose parent was killed."""
    # Orphans become children of this process, and not of init, where they would be lost.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = set(psutil.Process().children(recursive=True))
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            left = [p for p in psutil.Process().children(recursive=True) if p not in before]
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
            psutil.wait_procs(left, timeout=GRACE_S)


def kill_group(pid: int) -> list[str]:
    """Kill a process and all others of its group with SIGKILL; return their programs' names."""
    group = os.getpgid(pid)
    names = []
    for process in psutil.Process().children(recursive=True):
        with suppress(ProcessLookupError, psutil.Error):
            if os.getpgid(process.pid) == group:
                names.append(process.name())
    os.killpg(group, signal.SIGKILL)
    return names
