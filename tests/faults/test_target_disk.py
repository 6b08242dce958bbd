"""A disk or a share that fails under the target: one line, nothing doubled, nothing lost."""

from __future__ import annotations

import errno
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli import Run, Target, run, singer_lines, writes

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="the failing disk is written in C")


@pytest.fixture(scope="module")
def failing_disk(tmp_path_factory: pytest.TempPathFactory) -> str:
    library = tmp_path_factory.mktemp("disk") / "failing_disk.so"
    source = Path(__file__).with_name("failing_disk.c")
    compiler = ["cc", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source, "-ldl"]
    subprocess.run(compiler, check=True)
    return str(library)


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(capacity_check=False, duplicate_check=False)


def on(disk: str, target: Target, records: list[dict[str, Any]], **fault: int | str) -> Run:
    """Run the target on a failing disk."""
    environment = {name.upper(): str(value) for name, value in fault.items()}
    lines = singer_lines("reservations", records)
    return run(
        "target-bookio",
        *target.command()[1:],
        stdin=lines,
        is_measured=False,  # coverage would write its own file to the failing disk
        LD_PRELOAD=disk,
        **environment,
    )


def is_one_line(done: Run, *words: str) -> bool:
    """Whether a run failed with one line that has these words, and no STATE."""
    assert done.code == 1, done.stderr
    assert len(done.errors) == 1, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return all(word in done.errors[0] for word in words)


def check(clinic: Sandbox, bookings: list[dict[str, Any]]) -> None:
    held = Counter(row["externalId"] for row in clinic.rows("reservations"))
    assert held == Counter(booking["externalId"] for booking in bookings), "doubled or lost"


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_share_without_locks_is_distinguished_from_another_process(
    target: Target, failing_disk: str, code: int
) -> None:
    """Nothing is sent, and the message does not blame another process."""
    refused = on(failing_disk, target, [target.booking(0)], no_lock=code)
    assert is_one_line(refused, str(target.journal), "no file locks", "local disk")
    assert "process" not in refused.errors[0]
    assert writes(target.sandbox) == []


def test_a_share_without_chmod_is_used_if_it_is_private(target: Target, failing_disk: str) -> None:
    """CIFS has one mode for all files: a private one will do, and a public one is refused."""
    assert on(failing_disk, target, [target.booking(0)], no_chmod=1).code == 0
    target.journal.chmod(0o644)
    refused = on(failing_disk, target, [target.booking(1)], no_chmod=1)
    assert is_one_line(refused, str(target.journal), "644", "file_mode=0600")


@pytest.mark.parametrize("bytes_of_space", [20_000, 300_000, 700_000])
def test_a_disk_that_fills_up_loses_nothing(
    target: Target, clinic: Sandbox, failing_disk: str, bytes_of_space: int
) -> None:
    """The run ends with one line; with room again, the next one books what is missing."""
    bookings = [target.booking(n) for n in range(1500)]
    stopped = on(failing_disk, target, bookings, full_at=bytes_of_space)
    assert is_one_line(stopped, str(target.journal), "disk is full", "free some space")
    again = target(bookings)
    assert again.code == 0, again.stderr
    check(clinic, bookings)


@pytest.mark.parametrize("nth", [1, 6, 12])
def test_a_disk_that_fails_to_store_loses_nothing(
    target: Target, clinic: Sandbox, failing_disk: str, nth: int
) -> None:
    """A failed fsync stops the run: data that is not on the disk cannot be relied on."""
    bookings = [target.booking(n) for n in range(600)]
    stopped = on(failing_disk, target, bookings, no_fsync_at=nth)
    assert is_one_line(stopped, str(target.journal), "fsync")
    again = target(bookings)
    assert again.code == 0, again.stderr
    check(clinic, bookings)


def test_a_full_disk_of_the_rejects_is_named(target: Target, failing_disk: str) -> None:
    """A reject is on the disk before STATE passes it, or the run fails; no line is torn."""
    unreadable = [{"externalId": n} for n in range(90)]
    stopped = on(failing_disk, target, unreadable, full_at=5_000, full_file="rejects")
    assert is_one_line(stopped, "rejects_path", str(target.rejects), "disk is full")
    assert target.rejects.read_bytes()[-1:] in {b"", b"\n"}
    target(unreadable)
    assert [line["key"]["externalId"] for line in target.rejected()] == list(range(90))


def test_a_full_disk_of_the_plan_is_named(target: Target, failing_disk: str) -> None:
    """A dry run whose plan does not fit ends in one line that names the file."""
    bookings = [target.booking(n) for n in range(100)]
    target.settings["dry_run"] = True
    stopped = on(failing_disk, target, bookings, full_at=5_000, full_file="plan.jsonl")
    assert is_one_line(stopped, "rejects_path", "plan.jsonl", "disk is full")
