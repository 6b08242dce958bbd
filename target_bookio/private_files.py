"""Files that only their owner may read, in a folder that only the owner may enter."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bookio_api.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

PLAN = "plan.jsonl"
"""Where a dry run writes its plan, beside the rejects."""


def own_files(settings: Mapping[str, Any], *, create: bool) -> tuple[Path | None, Path | None]:
    """Return the paths of journal and rejects; ``None`` for one that is not there.

    With ``create`` both are there afterwards.

    Raises:
        SettingsError: two of the files would be one, or a place cannot be used.
    """
    paths = {name: Path(settings[name]) for name in ("journal_path", "rejects_path")}
    plan = paths["rejects_path"].with_name(PLAN)
    if len({os.path.realpath(path) for path in (*paths.values(), plan)}) < len(paths) + 1:
        msg = f"journal_path, rejects_path and {plan} must be three files; name others"
        raise SettingsError(msg)
    for name, path in paths.items():
        if create or path.exists():
            os.close(private_file(path, name))
        elif not _can_be_made(path):
            raise _refusal(path, name, "no file can be made there")
    there = (path if path.exists() else None for path in paths.values())
    journal, rejects = there
    return journal, rejects


def private_file(path: Path, setting: str) -> int:
    """Open or create a file, mode 0600 in a folder of mode 0700, for appending.

    Returns a file descriptor. Raises ``SettingsError`` for a symbolic link, another's file, or a
    place where no file can be.
    """
    try:
        _make_folder(path.parent)
        if path.parent.is_symlink():
            raise _refusal(path, setting, "its folder is a symbolic link")
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(path, flags, 0o600)
        what = os.fstat(descriptor)
        if not stat.S_ISREG(what.st_mode) or what.st_uid != os.getuid() or what.st_nlink > 1:
            os.close(descriptor)
            raise _refusal(path, setting, "it is no file of its own, or another user's")
        os.fchmod(descriptor, 0o600)
    except OSError as error:
        raise _refusal(path, setting, error.strerror or "no file can be there") from error
    return descriptor


def write_all(descriptor: int, content: bytes | bytearray) -> None:
    """Write all of it, however much the system takes at a time."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _make_folder(folder: Path) -> None:
    """Make a folder and what is missing above it, for the owner alone."""
    for missing in reversed([above for above in (folder, *folder.parents) if not above.exists()]):
        missing.mkdir(mode=0o700)
    if folder.name == ".bookio":  # our own, which a mkdir by hand may have left open
        folder.chmod(0o700)


def _can_be_made(path: Path) -> bool:
    there = next(above for above in path.absolute().parents if above.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _refusal(path: Path, setting: str, why: str) -> SettingsError:
    return SettingsError(f"{setting}: {path} cannot be used ({why}); name another file")
