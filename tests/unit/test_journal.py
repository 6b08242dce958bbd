"""The journal: what it stores about a row, and what it forgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_bookio.effects import Effect
from target_bookio.journal.account import Account
from target_bookio.journal.database import Database
from target_bookio.journal.entry import EXISTS, Entry, Intent, IntentState
from target_bookio.journal.store import Journal
from target_bookio.journal.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INTENT = Intent(IntentState.IN_DOUBT, "change_reservation_term", 1000, 2000, {"dateFrom": "x"})
ENTRY = Entry("reservations", "externalId:7", 1, 55, 7, {EXISTS: "x"}, past=("a", "b"))
ACCOUNT = Account("https://bookio.example.org", "token")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own" / "journal.sqlite3"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal(Database(path, ACCOUNT))
    yield journal
    journal.close()


def test_an_entry_is_found_by_each_of_its_keys(journal: Journal) -> None:
    journal.put(ENTRY)
    for name in ("externalId:7", "id:55"):
        assert journal.get("reservations", name) == ENTRY
    assert journal.get("reservations", "id:56") is None
    assert journal.get("blocked_times", "id:55") is None


def test_an_entry_and_its_intent_are_stored(path: Path) -> None:
    journal = Journal(Database(path, ACCOUNT))
    journal.put(ENTRY._replace(intent=INTENT))
    journal.close()
    again = Journal(Database(path, ACCOUNT))
    assert again.in_doubt() == [ENTRY._replace(intent=INTENT)]
    again.close()


def test_a_forgotten_entry_is_unknown(journal: Journal) -> None:
    journal.put(ENTRY)
    journal.forget(ENTRY)
    assert journal.get("reservations", "externalId:7") is None
    assert journal.in_doubt() == []


def test_consecutive_equal_records_count_once_in_the_history() -> None:
    assert ENTRY.settled("b").past == ("a", "b")
    assert ENTRY.settled("a").past == ("a", "b", "a")


def test_an_entry_that_is_confirmed_again_counts_as_seen(path: Path) -> None:
    """Retention counts from when the source last sent a row, changed or not."""
    journal = Journal(Database(path, ACCOUNT))
    journal.put(ENTRY)
    journal.commit()
    journal.database.execute("UPDATE entries SET noted_at = 0")
    journal.close()
    journal = Journal(Database(path, ACCOUNT))
    journal.put_if_changed(ENTRY)
    journal.commit()
    [(noted_at,)] = journal.database.execute("SELECT noted_at FROM entries")
    assert noted_at > 0
    journal.close()


def test_a_second_window_extends_the_first(journal: Journal) -> None:
    """Rule 6: every value that a row had since the first change is an earlier one."""
    journal.windows.open("reservations", 5, Window(1, 1000, 1100, {"dateFrom": ("a",)}))
    journal.windows.open("reservations", 5, Window(1, 2000, 2100, {"dateFrom": ("b",)}))
    window = journal.windows.get("reservations", 5)
    assert window == Window(1, 1000, 2100, {"dateFrom": ("a", "b")})
    assert journal.windows.oldest_sent_at("reservations", 1) == 1000
    journal.windows.close_before("reservations", 1, 2100)
    assert journal.windows.get("reservations", 5) is None


def test_distrust_is_permanent(journal: Journal) -> None:
    """Rule 8: a list that has missed a write is not trusted again."""
    for is_trusted in (True, False, True):
        journal.windows.trust("reservations", 1, Effect.TERM, is_trusted=is_trusted)
    assert journal.windows.is_distrusted("reservations", 1)
    assert not journal.windows.is_distrusted("reservations", 2)
