"""Whether a file system has locks at all."""

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
    """Make the file, and try a lock: SQLite takes a share without locks for another process.

    Closing any descriptor of a file gives all of a process's locks on it up, so this comes before
    SQLite has its own.
    """
    descriptor = private_file(path, SETTING)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _PROBE_BYTE)
    except OSError as error:
        if error.errno not in {
            errno.EACCES,
            errno.EAGAIN,
        }:  # another run is trying it at the same time
            raise no_locks(path) from error
    finally:
        os.close(descriptor)
