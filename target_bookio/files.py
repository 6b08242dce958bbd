"""Files that only their owner may read, in a folder that only the owner may enter."""

from __future__ import annotations

import os
from pathlib import Path

from bookio_api.errors import SettingsError


def private_file(path: Path, setting: str) -> int:
    """Open or create a file, mode 0600 in a folder of mode 0700, for appending.

    Returns a file descriptor. Raises ``SettingsError`` for a symbolic link or a place where no file
    can be.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        os.fchmod(descriptor, 0o600)
    except OSError as error:
        msg = f"{setting}: {path} cannot be used ({error.strerror}); name another file"
        raise SettingsError(msg) from error
    return descriptor
