"""Files that only their owner may read, with a one-line error for each failure."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.errors import BookioError, ErrorKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

PLAN = "plan.jsonl"
"""The file of a dry run's plan, beside the rejects."""

_READ_BYTES = 1 << 20
_ANOTHER_PLACE = "set {setting} to a path where a file can be created"
_REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space there and run again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space there and run again"),
    errno.EROFS: ("the file system is read-only", "mount it writable and run again"),
    errno.EIO: ("the disk reports an error", "check the disk or the share and run again"),
    errno.ELOOP: ("it is a symbolic link", "set {setting} to the file itself"),
    errno.ENOTDIR: ("something above it is not a folder", _ANOTHER_PLACE),
    errno.ENAMETOOLONG: ("its name is too long", "set {setting} to a shorter path"),
}
"""What an errno means for our files, and what to do about it."""


class FileError(BookioError):
    """One of our files cannot be used; the message says which, why, and what to do next."""

    kind = ErrorKind.FILES

    @classmethod
    def about(cls, setting: str, path: Path | None, what: str, advice: str) -> FileError:
        """Return the error for the file that a setting names."""
        return cls(f"{setting}: {path} cannot be used: {what}; {advice.format(setting=setting)}")


class OwnFiles(NamedTuple):
    """The paths of a run's files; ``None`` for a file that does not exist or is not written."""

    journal: Path | None
    rejects: Path | None
    results: Path | None
    plan: Path


class PrivateFile:
    """A file of lines to append to, of mode 0600 in a folder of mode 0700. Used by one thread."""

    def __init__(self, path: Path, setting: str) -> None:
        """Open or create it; ``FileError`` if that fails."""
        self.path = path
        self._setting = setting
        self._descriptor = private_file(path, setting)
        self._is_flushed = True

    @property
    def changed_at_s(self) -> float:
        """When it was last written to, in seconds since 1970."""
        return os.fstat(self._descriptor).st_mtime

    @property
    def ends_with_newline(self) -> bool:
        """Whether its last line is complete, not cut off by a kill."""
        with self._in_one_line():
            size = os.fstat(self._descriptor).st_size
            return size == 0 or os.pread(self._descriptor, 1, size - 1) == b"\n"

    def lines(self) -> Iterator[bytes]:
        """Yield its lines; it may be larger than memory."""
        rest, position = b"", 0
        with self._in_one_line():
            while block := os.pread(self._descriptor, _READ_BYTES, position):
                position += len(block)
                *lines, rest = (rest + block).split(b"\n")
                yield from lines
        yield rest

    def append(self, content: bytes | bytearray) -> None:
        """Append all lines, or none and raise ``FileError``."""
        with self._in_one_line():
            end = os.fstat(self._descriptor).st_size
            try:
                self._is_flushed = False
                view = memoryview(content)
                while view:
                    view = view[os.write(self._descriptor, view) :]
            except OSError:
                # Otherwise the next line would continue the incomplete one.
                os.ftruncate(self._descriptor, end)
                raise

    def commit(self) -> None:
        """Flush what was appended to the disk."""
        if not self._is_flushed:
            with self._in_one_line():
                os.fsync(self._descriptor)
            self._is_flushed = True

    def empty(self) -> None:
        """Remove its content."""
        with self._in_one_line():
            os.ftruncate(self._descriptor, 0)

    def close(self) -> None:
        """Close it."""
        with self._in_one_line():
            os.close(self._descriptor)

    def _in_one_line(self) -> AbstractContextManager[None]:
        return _in_one_line(self.path, self._setting)


def located(path: str, setting: str) -> Path:
    """Return a path from the settings as an absolute path.

    ``~`` is the home folder. A relative path starts at the Meltano project, because Meltano can be
    started in any folder below it; without Meltano, it starts at the working folder.
    """
    try:
        wanted = Path(path).expanduser()
    except RuntimeError as error:  # no home folder, or no such user
        what, advice = "its home folder is unknown", "set {setting} to a path without ~"
        raise FileError.about(setting, Path(path), what, advice) from error
    if "\0" in path:
        msg = f"{setting}: a path cannot contain a NUL character; correct it"
        raise FileError(msg)
    return Path(os.environ.get("MELTANO_PROJECT_ROOT") or ".").absolute() / wanted


def own_files(settings: Mapping[str, Any], *, create: bool) -> OwnFiles:
    """Return the paths of a run's files.

    With ``create``, all files that the settings name exist afterwards.

    Raises:
        FileError: two of the paths are the same file, or a path cannot be used.
    """
    names = ("journal_path", "rejects_path", "results_path")
    paths = {name: located(settings[name], name) for name in names if settings.get(name)}
    plan = paths["rejects_path"].with_name(PLAN)
    journal = paths["journal_path"]
    all_files = [*paths.values(), plan, journal.with_name(f"{journal.name}-wal")]
    if len({os.path.realpath(path) for path in all_files}) < len(all_files):
        names_of_files = ", ".join((*paths, str(plan)))
        msg = f"{names_of_files} must be {len(paths) + 1} files; give each its own name"
        raise FileError(msg)
    existing = {}
    for name, path in paths.items():
        with _in_one_line(path, name):
            exists = path.exists()
        if create or exists:
            os.close(private_file(path, name))
            existing[name] = path
        elif not _can_be_created(path):
            raise FileError.about(name, path, "no file can be created there", _ANOTHER_PLACE)
    journal_file, rejects_file, results_file = map(existing.get, names)
    return OwnFiles(journal_file, rejects_file, results_file, plan)


def private_file(path: Path, setting: str) -> int:
    """Open or create a file, mode 0600 in a folder of mode 0700, for appending.

    Returns a file descriptor. Raises ``FileError`` for a symbolic link, another user's file, or a
    path where no file can be created.
    """
    with _in_one_line(path, setting):
        _make_folder(path.parent)
        if path.parent.is_symlink():
            advice = "set {setting} to the folder itself"
            raise FileError.about(setting, path, "its folder is a symbolic link", advice)
        # No link is followed, and opening a named pipe does not wait for its other end.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(path, flags, 0o600)
    try:
        _check(descriptor, path, setting)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check(descriptor: int, path: Path, setting: str) -> None:
    """Check that an open file is regular, has one name, belongs to this user and is private."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise FileError.about(setting, path, "it is not a regular file", _ANOTHER_PLACE)
    if status.st_nlink > 1:
        what, advice = "it has a second name (a hard link)", "remove the other name"
        raise FileError.about(setting, path, what, advice)
    if status.st_uid != os.geteuid():
        raise _not_allowed(path, setting, path, status)
    # A share such as CIFS has one mode for all files and refuses chmod. That is fine only if the
    # mode is private already.
    if stat.S_IMODE(status.st_mode) & 0o077:
        try:
            os.fchmod(descriptor, 0o600)
        except OSError as error:
            what = (
                f"its mode is {stat.S_IMODE(status.st_mode):o} and cannot be changed on this file "
                "system"
            )
            advice = "mount it with file_mode=0600 and dir_mode=0700, or use a local disk"
            raise FileError.about(setting, path, what, advice) from error


@contextmanager
def _in_one_line(path: Path, setting: str) -> Iterator[None]:
    """Turn a system error into a one-line error that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.EACCES, errno.EPERM}:
            raise _not_allowed(path, setting, *_who_refuses(path)) from error
        why = error.strerror or type(error).__name__
        what, advice = _REASONS.get(error.errno or 0, (why, _ANOTHER_PLACE))
        raise FileError.about(setting, path, what, advice) from error


def _who_refuses(path: Path) -> tuple[Path, os.stat_result]:
    """Return the file or folder on the way to a path that denies access."""
    refusing, status = Path("/"), Path("/").stat()
    for step in reversed([path, *path.parents]):
        try:
            refusing, status = step, step.stat()
        except OSError:  # hidden by its parent, or not created yet
            break
    return refusing, status


def _not_allowed(path: Path, setting: str, refusing: Path, status: os.stat_result) -> FileError:
    """Return the error for a file of another user, or one that its owner cannot write."""
    user = os.geteuid()
    if status.st_uid == user:
        what, advice = f"Permission denied by the mode of {refusing}", "chmod u+rwX it"
    else:
        what = f"{refusing} belongs to another user (uid {status.st_uid}; this is uid {user})"
        advice = f"run as uid {status.st_uid}, or give the files to uid {user} with chown"
    return FileError.about(setting, path, what, advice)


def _make_folder(folder: Path) -> None:
    """Create a folder and its missing parents, for the owner only."""
    for missing in reversed([above for above in (folder, *folder.parents) if not above.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    # Our own folder, which a manual mkdir may have left open.
    if folder.name == ".bookio" and stat.S_IMODE(folder.stat().st_mode) & 0o077:
        folder.chmod(0o700)


def _can_be_created(path: Path) -> bool:
    folder = next(above for above in path.absolute().parents if above.exists())
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
