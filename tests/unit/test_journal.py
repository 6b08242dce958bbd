"""The journal: what it keeps, whom it lets in, and what it never holds."""

from __future__ import annotations

import sqlite3
import stat
import time
from typing import TYPE_CHECKING

import pytest

from bookio_api.errors import SettingsError
from target_bookio.journal.store import CONFIRMED, IN_DOUBT, REJECTED, SENT, Entry, Journal
from target_bookio.plan.operations import CREATE

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = Entry(
    "reservations", "externalId:7", SENT, 1, None, 7, "d", "create_reservation", {CREATE: "x"}
)
DAY = 86400
ACCOUNT = ("https://bookio.example.org", "token")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own" / "journal.sqlite3"


def test_what_was_committed_is_there_after_a_crash_and_what_was_not_is_not(path: Path) -> None:
    journal = Journal(path, *ACCOUNT)
    journal.put(ENTRY)
    journal.commit()
    journal.put(ENTRY._replace(key="externalId:8"))
    journal._db.close()  # as a kill would
    again = Journal(path, *ACCOUNT)
    assert again.unsettled() == [ENTRY]
    assert again.get("reservations", "externalId:8") is None
    again.close()


def test_it_is_its_owners_only(path: Path) -> None:
    Journal(path, *ACCOUNT).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_second_process_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("target_bookio.journal.store._LOCK_SECONDS", 0.1)
    first = Journal(path, *ACCOUNT)
    with pytest.raises(SettingsError, match="another process"):
        Journal(path, *ACCOUNT)
    first.close()
    Journal(path, *ACCOUNT).close()


def test_another_account_is_refused(path: Path) -> None:
    Journal(path, *ACCOUNT).close()
    with pytest.raises(SettingsError, match="another api_url or auth_token"):
        Journal(path, ACCOUNT[0], "other")


def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE notes (text)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(SettingsError, match="no journal"):
        Journal(path, *ACCOUNT)
    assert path.read_bytes() == before


def test_digests_are_keyed(path: Path, tmp_path: Path) -> None:
    one, other = Journal(path, *ACCOUNT), Journal(tmp_path / "other.sqlite3", *ACCOUNT)
    assert one.digest({"a": 1, "b": 2}) == one.digest({"b": 2, "a": 1})
    assert one.digest("Jana") != other.digest("Jana")
    one.close()
    other.close()


def test_a_row_that_we_created_is_known_by_its_id(path: Path) -> None:
    journal = Journal(path, *ACCOUNT)
    journal.put(ENTRY._replace(state=CONFIRMED, remote_id=55))
    found = journal.get("reservations", "id:55")
    assert found is not None
    assert found.key == ENTRY.key
    journal.close()


def test_what_was_taken_back_is_as_it_was_before(path: Path) -> None:
    journal = Journal(path, *ACCOUNT)
    journal.put(ENTRY)
    journal.forget(ENTRY)
    assert journal.get("reservations", ENTRY.key) is None
    change = ENTRY._replace(intended={"term": "y"}, applied={"term": "x"})
    journal.put(change)
    journal.forget(change)
    kept = journal.get("reservations", ENTRY.key)
    assert kept is not None
    assert (kept.state, kept.applied, kept.desired) == (CONFIRMED, {"term": "x"}, "")
    journal.commit()
    assert journal.unsettled() == []
    journal.close()


def test_retention_forgets_what_is_settled_and_keeps_what_is_in_doubt(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(path, *ACCOUNT)
    for state in (CONFIRMED, REJECTED, IN_DOUBT):
        journal.put(ENTRY._replace(key=state, state=state))
    journal.commit()
    later = time.time() + 10 * DAY
    monkeypatch.setattr("target_bookio.journal.store.time.time", lambda: later)
    journal.forget_before(30)
    assert len(journal._select("1")) == 3
    journal.forget_before(5)
    assert [entry.state for entry in journal._select("1")] == [IN_DOUBT]
    journal.close()
