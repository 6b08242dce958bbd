"""The journal through the command line: its place, its account, and its messages."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from target_bookio.journal.account import Account
from target_bookio.journal.database import Database
from target_bookio.journal.entry import EXISTS, Entry, Intent, IntentState
from target_bookio.journal.store import Journal
from tests.cli import Target, run, singer_lines, writes

if TYPE_CHECKING:
    from tests.conftest import StartSandbox

OLD_TOKEN = "T-before-the-renewal"


@pytest.fixture
def target(start_sandbox: StartSandbox, tmp_path: Path) -> Target:
    return Target(start_sandbox(), tmp_path)


def test_a_new_journal_is_announced_with_its_path(target: Target, tmp_path: Path) -> None:
    """A relative path starts at the Meltano project, and the first run says where that is."""
    target.settings["journal_path"] = ".bookio/journal.sqlite3"
    target.settings["rejects_path"] = ".bookio/rejects.jsonl"
    runs = [
        run(
            "target-bookio",
            *target.command()[1:],
            stdin=singer_lines("reservations", []),
            MELTANO_PROJECT_ROOT=str(tmp_path),
        )
        for _ in range(2)
    ]
    line = f"new journal at {tmp_path}/.bookio/journal.sqlite3"
    assert [line in done.stderr for done in runs] == [True, False]
    assert (tmp_path / ".bookio/rejects.jsonl").exists()


def test_a_renewed_token_keeps_its_journal(target: Target) -> None:
    """One run with previous_auth_token is enough; before it, nothing is written."""
    bookings = [target.booking(n) for n in range(3)]
    Database(target.journal, Account(target.sandbox.url, OLD_TOKEN)).close()
    refused = target(bookings)
    assert refused.code == 1
    assert "set previous_auth_token" in refused.errors[0]
    assert "patients could be e-mailed again" in refused.errors[0]
    assert OLD_TOKEN not in refused.stderr
    assert writes(target.sandbox) == []
    renewed = target(bookings, previous_auth_token=OLD_TOKEN)
    assert renewed.code == 0, renewed.stderr
    assert OLD_TOKEN not in renewed.stderr
    assert target.sandbox.token not in renewed.stderr
    assert target(bookings).code == 0


def test_a_new_journal_is_announced_loudly_where_lists_hide_our_numbers(
    start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    """There it is the only protection against a second booking, so the log warns."""
    target = Target(start_sandbox(size=20, hide=["externalId"]), tmp_path)
    logs = [target([target.booking(n)], resend_after_seconds=0).stderr for n in range(2)]
    warnings = ["WARNING" in line and str(target.journal) in line for line in logs[0].splitlines()]
    assert sum(warnings) == 1, logs[0]
    assert "shows no externalId" not in logs[1]


def test_a_copy_without_its_wal_writes_nothing(target: Target, tmp_path: Path) -> None:
    """A backup that lacks its last writes is noticed before it can repeat them."""
    target.command()
    database = Database(target.journal, Account(target.sandbox.url, target.sandbox.token))
    copy = Path(shutil.copy(target.journal, tmp_path / "copy.sqlite3"))
    database.close()
    refused = target([target.booking(0)], journal_path=str(copy))
    assert refused.code == 1
    assert "copy.sqlite3-wal is missing" in refused.errors[0]
    assert writes(target.sandbox) == []


def test_an_unclear_write_of_the_first_format_is_never_repeated(
    start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    """It stores nothing that identifies the booking, so absent and hidden look the same."""
    target = Target(start_sandbox(size=20, hide=["externalId"]), tmp_path)
    booking = target.booking(0)
    number = booking["externalId"]
    account = Account(target.sandbox.url, target.sandbox.token)
    journal = Journal(Database(target.journal, account))
    intent = Intent(IntentState.SENT, "create_reservation", 1, intended={EXISTS: "x"})
    journal.put(
        Entry("reservations", f"externalId:{number}", target.facility, None, number, intent=intent)
    )
    journal.close()
    done = target([booking], resend_after_seconds=1)
    assert done.code == 3, done.stderr
    assert writes(target.sandbox) == []
