"""Whose the journal is: tokens, their renewal, and the key of the digests."""

from __future__ import annotations

from pathlib import Path

import pytest

from target_bookio.journal import account
from target_bookio.journal.account import Account
from target_bookio.journal.database import Database
from target_bookio.private_files import FileError

ACCOUNT = Account("https://bookio.example.org", "token")
RENEWED = Account(ACCOUNT.api_url, "new token", ACCOUNT.auth_token)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own" / "journal.sqlite3"


def test_a_renewed_token_opens_the_journal_with_the_previous_one(path: Path) -> None:
    """One run with previous_auth_token is enough, and the digests stay what they were."""
    first = Database(path, ACCOUNT)
    digest = first.digest("Jana")
    first.close()
    for current in (RENEWED, RENEWED, RENEWED._replace(previous_auth_token=None)):
        database = Database(path, current)
        assert database.digest("Jana") == digest
        database.close()
    with pytest.raises(FileError, match="set previous_auth_token"):
        Database(path, ACCOUNT)


def test_a_dry_run_with_a_renewed_token_changes_nothing(path: Path) -> None:
    Database(path, ACCOUNT).close()
    Database(path, RENEWED, keep=False).close()
    Database(path, ACCOUNT).close()


@pytest.mark.parametrize(
    ("other", "line"),
    [
        (Account(ACCOUNT.api_url, "x"), "set previous_auth_token to the old one"),
        (Account(ACCOUNT.api_url, "x", "y"), "previous_auth_token does not open it"),
        (Account("https://other.example.org", "token"), "another api_url; set api_url back"),
        (Account("https://other.example.org", "x", "token"), "another api_url; set api_url back"),
    ],
)
def test_another_account_is_refused_with_the_consequences(
    path: Path, other: Account, line: str
) -> None:
    """The message says how to renew a token, and how a lost journal would affect patients."""
    Database(path, ACCOUNT).close()
    before = path.read_bytes()
    with pytest.raises(FileError, match=line) as refusal:
        Database(path, other)
    assert "patients could be e-mailed again" in str(refusal.value)
    assert "token" not in str(refusal.value).replace("auth_token", "").replace("the token", "")
    assert path.read_bytes() == before


def test_digests_are_keyed(path: Path, tmp_path: Path) -> None:
    """Two journals of one account share no digest, so neither can be searched with the other's."""
    one, other = Database(path, ACCOUNT), Database(tmp_path / "other.sqlite3", ACCOUNT)
    assert one.digest({"a": 1, "b": 2}) == one.digest({"b": 2, "a": 1})
    assert one.digest("Jana") != other.digest("Jana")
    one.close()
    other.close()


def test_the_key_in_the_file_is_locked(path: Path) -> None:
    database = Database(path, ACCOUNT._replace(auth_token="T-0815"))
    key = database.digest_key
    database.close()
    content = path.read_bytes()
    assert key not in content
    assert b"T-0815" not in content


def test_a_locked_key_opens_with_its_token_only() -> None:
    key = account.new_key()
    box = account.lock(key, "token")
    assert account.unlock(box, "token") == key
    assert account.unlock(box, "other") is None
    assert account.unlock(box[:-1] + bytes([box[-1] ^ 1]), "token") is None
    assert account.lock(key, "token") != box


# --- Formats before this one
