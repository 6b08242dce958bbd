"""The target's files: their place, their permissions, and the errors."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_bookio.private_files import FileError, PrivateFile, located, own_files

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTING = "rejects_path"


def settings(folder: Path, **changes: Any) -> dict[str, Any]:
    own = {"journal_path": str(folder / "own/j"), "rejects_path": str(folder / "own/r")}
    return {**own, **changes}


# --- Where they are


def test_a_relative_path_starts_at_the_meltano_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MELTANO_PROJECT_ROOT", "/project")
    assert located(".bookio/j", SETTING) == Path("/project/.bookio/j")
    assert located("/elsewhere/j", SETTING) == Path("/elsewhere/j")


def test_a_relative_path_starts_at_the_working_folder_without_meltano(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for project in (None, ""):
        monkeypatch.delenv("MELTANO_PROJECT_ROOT", raising=False)
        if project is not None:
            monkeypatch.setenv("MELTANO_PROJECT_ROOT", project)
        assert located(".bookio/j", SETTING) == tmp_path / ".bookio/j"


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MELTANO_PROJECT_ROOT", "/project")
    assert located("~/j", SETTING) == tmp_path / "j"


@pytest.mark.parametrize("path", ["~nobody-of-this-name/j", "a\0b"])
def test_an_impossible_path_is_refused(path: str) -> None:
    with pytest.raises(FileError, match=SETTING):
        located(path, SETTING)


@pytest.mark.parametrize(
    "changes",
    [
        {"rejects_path": "own/j"},
        {"rejects_path": "own/./j"},
        {"rejects_path": "own/j-wal"},
        {"results_path": "own/r"},
        {"results_path": "own/plan.jsonl"},
    ],
)
def test_two_files_must_not_have_one_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match="give each its own name"):
        own_files(settings(tmp_path, **changes), create=True)
    assert not (tmp_path / "own").exists()


def test_reading_creates_no_file(tmp_path: Path) -> None:
    """Without create, as in a dry run, only what is there already is returned."""
    files = own_files(settings(tmp_path), create=False)
    assert (files.journal, files.rejects, files.results) == (None, None, None)
    assert list(tmp_path.iterdir()) == []
    made = own_files(settings(tmp_path, results_path=str(tmp_path / "o")), create=True)
    assert made.results == tmp_path / "o"
    assert own_files(settings(tmp_path), create=False).journal == tmp_path / "own/j"


# --- Who may read them


def test_only_the_owner_can_read_a_file(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/r"
    PrivateFile(path, SETTING).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    PrivateFile(path, SETTING).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_only_the_owner_can_enter_our_folder(tmp_path: Path) -> None:
    folder = tmp_path / ".bookio"
    folder.mkdir(mode=0o755)
    PrivateFile(folder / "r", SETTING).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_links_and_other_kinds_of_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "own/file")
    (tmp_path / "folder").symlink_to(tmp_path / "own")
    os.link(tmp_path / "own/file", tmp_path / "second")
    os.mkfifo(tmp_path / "pipe")
    for path, line in (
        ("link", "symbolic link"),
        ("folder/file", "its folder is a symbolic link"),
        ("second", "second name"),
        ("pipe", "not a regular file"),
        ("own", "irectory"),
        ("own/file/r", "not a folder"),
        ("n" * 300, "too long"),
    ):
        with pytest.raises(FileError, match=line) as refusal:
            PrivateFile(tmp_path / path, SETTING)
        assert str(refusal.value).startswith(f"{SETTING}: {tmp_path}"), path
        assert "; " in str(refusal.value), "it gives advice"


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """Return a folder that every user may enter, as pytest's own may not be."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_users_file_is_named_with_both_users(public_folder: Path) -> None:
    """A container that runs as another uid learns who owns the files."""
    own = public_folder / "own"
    PrivateFile(own / "r", SETTING).close()
    os.seteuid(1234)
    try:
        with pytest.raises(FileError, match=rf"{own} belongs to another user \(uid 0; this is uid"):
            PrivateFile(own / "r", SETTING)
        with pytest.raises(FileError, match=rf"{public_folder} belongs to another user"):
            PrivateFile(public_folder / "new", SETTING)
    finally:
        os.seteuid(0)
    os.chown(own / "r", 1234, 1234)
    with pytest.raises(FileError, match=r"r belongs to another user \(uid 1234; this is uid 0\)"):
        PrivateFile(own / "r", SETTING)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_file_that_its_own_user_may_not_write_is_named(public_folder: Path) -> None:
    own = public_folder / "own"
    PrivateFile(own / "r", SETTING).close()
    for path in (public_folder, own, own / "r"):
        os.chown(path, 1234, 1234)
    (own / "r").chmod(0o400)
    os.seteuid(1234)
    try:
        with pytest.raises(FileError, match=rf"by the mode of {own}/r; chmod"):
            PrivateFile(own / "r", SETTING)
    finally:
        os.seteuid(0)


# --- What is in them


def test_lines_are_appended_and_read(tmp_path: Path) -> None:
    file = PrivateFile(tmp_path / "r", SETTING)
    file.append(b"one\n")
    file.append(b"two\nthr")
    file.commit()
    assert list(file.lines()) == [b"one", b"two", b"thr"]
    assert not file.ends_with_newline
    file.empty()
    assert file.ends_with_newline
    file.close()
    assert (tmp_path / "r").read_bytes() == b""


def test_a_partly_written_line_is_removed(tmp_path: Path) -> None:
    """A truncated line is removed, so that the next line does not join it."""
    path = tmp_path / "r"
    done = subprocess.run(
        [sys.executable, Path(__file__).parents[1] / "limited_writer.py", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"{SETTING}: {path} cannot be used: File too large\n"
    assert path.read_bytes() == b"one\ntwo\n"
