"""The journal: what it keeps of a row, and what it forgets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from target_bookio.journal.account import Account
from target_bookio.journal.database import Database
from target_bookio.journal.store import CONFIRMED, IN_DOUBT, REJECTED, SENT, Entry, Journal
from target_bookio.plan.operations import CREATE

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = Entry(
    "reservations", "externalId:7", SENT, 1, None, 7, "d", "create_reservation", {CREATE: "x"}
)
DAY = 86400
ACCOUNT = Account("https://bookio.example.org", "token")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own" / "journal.sqlite3"


def test_a_row_that_we_created_is_known_by_its_id(path: Path) -> None:
    journal = Journal(Database(path, ACCOUNT))
    journal.put(ENTRY._replace(state=CONFIRMED, remote_id=55))
    found = journal.get("reservations", "id:55")
    assert found is not None
    assert found.key == ENTRY.key
    journal.close()


def test_what_was_taken_back_is_as_it_was_before(path: Path) -> None:
    journal = Journal(Database(path, ACCOUNT))
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
    journal = Journal(Database(path, ACCOUNT))
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
