"""Checks that a file system supports locks."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING

from target_bookio.journal.faults import SETTING, no_locks
from target_bookio.private_files import private_file

if TYPE_CHECKING:
    from pathlib import Path

_PROBE_BYTE = 0x40000000 + 512
"""A byte that SQLite never locks: it uses the 512 before it."""


def check_locks(path: Path) -> None:
    """Create the file, and try to lock it.

    On a file system without locks, SQLite would report that another process uses the file. Call
    this before SQLite opens it: closing any descriptor of a file releases all locks that the
    process has on it.
    """
    descriptor = private_file(path, SETTING)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _PROBE_BYTE)
    except OSError as error:
        # These two mean that another run has the lock, so there are locks.
        if error.errno not in {errno.EACCES, errno.EAGAIN}:
            raise no_locks(path) from error
    finally:
        os.close(descriptor)
