"""Appends lines to a file that may not grow beyond 100 bytes: some fit, and one does not."""

from __future__ import annotations

import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

from target_bookio.private_files import FileError, PrivateFile

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
file = PrivateFile(Path(sys.argv[1]), "rejects_path")
file.append(b"one\n")
try:
    file.append(b"x" * 200 + b"\n")
except FileError as error:
    print(str(error).partition(";")[0])
with suppress(FileError):
    file.append(b"x" * 200 + b"\n")
file.append(b"two\n")
file.close()
