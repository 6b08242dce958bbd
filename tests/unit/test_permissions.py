"""Which writes a token is known to be allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bookio_api.contract import OPERATIONS
from target_bookio.journal.account import Account
from target_bookio.journal.database import Database
from target_bookio.journal.permissions import Permissions

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://bookio.example.org"


def said(path: Path, token: str, *succeeded: str, previous: str | None = None) -> dict[str, str]:
    """Open the journal with a token, note what succeeded, and return the lines about it."""
    database = Database(path, Account(URL, token, previous))
    permissions = Permissions(database, token)
    permissions.record(succeeded)
    lines = {permission.operation: str(permission) for permission in permissions.known()}
    database.close()
    return lines


def test_an_operation_that_succeeded_is_known_to_be_allowed(tmp_path: Path) -> None:
    """A success lasts in the journal; an operation without one is not said to be allowed."""
    path = tmp_path / "journal.sqlite3"
    said(path, "token-1", "create_reservation")
    lines = said(path, "token-1")
    assert "create_reservation: allowed, last written from here on 20" in lines.pop(
        "create_reservation"
    )
    assert lines.keys() == {n for n, op in OPERATIONS.items() if not op.retry_safe} - {
        "create_reservation"
    }
    assert all("not known, never written" in line for line in lines.values())
    assert "is a guess" in lines["confirm_sync"]


def test_another_token_may_have_other_rights(tmp_path: Path) -> None:
    """A renewed token is not said to be allowed what the one before was."""
    path = tmp_path / "journal.sqlite3"
    said(path, "token-1", "create_reservation")
    line = said(path, "token-2", previous="token-1")["create_reservation"]
    assert "not known; an earlier token was allowed on 20" in line
    assert b"token-1" not in path.read_bytes()
