"""Journals of earlier versions are migrated when they are opened."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from target_bookio.journal.account import Account
from target_bookio.journal.database import Database
from target_bookio.journal.schema import SCHEMA_VERSION
from target_bookio.private_files import FileError

BEFORE_VERSIONS = Path(__file__).parents[1] / "data" / "journal-before-versions.sqlite3"
"""Made by ``Journal`` of commit a8afed9, for api_url https://bookio.example.org, ``old token``."""
OF_OLD = Account("https://bookio.example.org", "old token")
ACCOUNT = Account(OF_OLD.api_url, "token")


@pytest.fixture
def old_path(tmp_path: Path) -> Path:
    """Return a copy of a journal that was written before there were versions."""
    folder = tmp_path / "own"
    folder.mkdir()
    return Path(shutil.copy(BEFORE_VERSIONS, folder / "journal.sqlite3"))


def entries(database: Database) -> dict[str, dict[str, Any]]:
    """Return the entries' columns by key, without the time of their last change."""
    columns = ("key", "facility_id", "remote_id", "external_id", "agreed", "past", "intent")
    rows = database.execute(f"SELECT {', '.join(columns)} FROM entries")  # noqa: S608
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    for entry in named:
        for column in ("agreed", "past", "intent"):
            entry[column] = json.loads(entry[column] or "null")
    return {entry.pop("key"): entry for entry in named}


@pytest.mark.parametrize("renewed", [False, True])
def test_a_journal_from_before_versions_is_migrated(old_path: Path, *, renewed: bool) -> None:
    """Every entry keeps its meaning, even if the token was renewed in the meantime."""
    present = Account(OF_OLD.api_url, "new token", OF_OLD.auth_token) if renewed else OF_OLD
    for account in (present, present._replace(previous_auth_token=None)):
        database = Database(old_path, account)
        digest, found = database.digest, entries(database)
        assert database.execute("PRAGMA user_version") == [(SCHEMA_VERSION,)]
        assert database.execute("SELECT 1 FROM sqlite_master WHERE name = 'writes'") == []
        database.close()
        settled = {"facility_id": 1, "agreed": {}, "past": [], "intent": None}
        assert found["externalId:1"] == {
            **settled,
            "remote_id": 101,
            "external_id": 1,
            "agreed": {"create": digest(["Jana"]), "term": digest("2026-12-01T09:00:00")},
            "past": [digest("first"), digest("second")],
        }
        assert found["externalId:4"] == {
            **settled,
            "remote_id": None,
            "external_id": 4,
            "past": [digest("fourth")],
        }
        assert found["id:7"] == {
            **settled,
            "remote_id": 7,
            "external_id": None,
            "past": [digest("fifth")],
        }
        creation, move = found["externalId:2"]["intent"], found["externalId:3"]["intent"]
        assert (creation["state"], move["state"]) == ("SENT", "IN_DOUBT")
        assert creation["operation"] == "create_reservation"
        assert creation["wish"] == digest("third")
        assert move["intended"] == {"dateFrom": digest("2026-12-02T09:00:00"), "dateTo": ""}
        assert move["sent_at"] == 1795874384653
        assert move["ended_at"] == 0, "so the doubt is counted from the restart"
        assert found["externalId:3"]["agreed"] == {"create": digest(["Eva"])}
        both = found["externalId:5"]["intent"]
        assert both["operation"] == "change_reservation_status", "the more delicate of the two"
        assert both["before"] == {
            "dateFrom": digest("2026-12-04T09:00:00"),
            "status": digest("CONFIRMED"),
        }
        created = found["externalId:6"]
        assert created["agreed"] == {}, "nothing is, before it is found"
        assert created["intent"]["operation"] == "create_reservation"
        assert created["intent"]["intended"] == {
            "create": digest(["Ema"]),
            "dateFrom": digest("2026-12-06T09:00:00"),
            "status": digest("CONFIRMED"),
        }


def test_an_old_journal_of_another_account_is_left_as_it_is(old_path: Path) -> None:
    before = old_path.read_bytes()
    with pytest.raises(FileError, match="set previous_auth_token"):
        Database(old_path, ACCOUNT)
    assert old_path.read_bytes() == before


def test_a_dry_run_does_not_migrate(old_path: Path) -> None:
    before = old_path.read_bytes()
    database = Database(old_path, OF_OLD, keep=False)
    assert len(entries(database)) == 7
    database.close()
    assert old_path.read_bytes() == before
