"""Opens a journal, commits ten notes, leaves one uncommitted, and waits to be killed."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from target_bookio.journal.account import Account
from target_bookio.journal.database import Database

database = Database(Path(sys.argv[1]), Account("https://bookio.example.org", "token"))
database.execute("CREATE TABLE notes (value)")
for n in range(10):
    database.execute("INSERT INTO notes VALUES (?)", (f"note {n}",))
    database.commit()
database.execute("INSERT INTO notes VALUES ('not committed')")
print("committed", flush=True)
signal.pause()  # not a read from stdin, which may be at its end already
