"""Migrates a journal's tables to this version's format.

There is one earlier format: a single table ``writes``, at ``user_version`` 0. Its rows become
entries. The migration is part of the transaction in which the file is opened, so a kill leaves the
old file or the new one, and a dry run rolls it back.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import msgspec

from target_bookio.journal.entry import EXISTS, Intent, IntentState
from target_bookio.journal.schema import SCHEMA, SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

_OLD_ENTRIES = (
    "SELECT stream, key, state, facility_id, remote_id, external_id, desired, step, intended, "
    "applied, past, noted_at FROM writes"
)
_INSERT = (
    "INSERT INTO entries (stream, key, facility_id, remote_id, external_id, agreed, asked, past, "
    "written_at, intent, noted_at) VALUES (?, ?, ?, ?, ?, ?, '{}', ?, 0, ?, ?)"
)

_STATUS = "change_reservation_status"

_digests = msgspec.json.Decoder(dict[str, str]).decode


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Create the tables of this version, and fill them from those of the earlier format."""
    if version >= SCHEMA_VERSION:
        return
    for statement in _statements(SCHEMA):
        db.execute(statement)
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'writes'").fetchone():
        db.executemany(_INSERT, map(_new_entry, db.execute(_OLD_ENTRIES).fetchall()))
        db.execute("DROP TABLE writes")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _new_entry(row: tuple[object, ...]) -> tuple[object, ...]:
    """Return the columns of an entry, in the order of ``_INSERT``."""
    stream, key, state, facility_id, remote_id, external_id, *texts, past, noted_at = row
    desired, step, intended_text, applied_text = map(str, texts)
    intended, agreed = _digests(intended_text), _digests(applied_text)
    intent = None
    if state in set(IntentState):
        before = {name: agreed[name] for name in intended if name in agreed}
        if EXISTS in intended:
            # The earlier format stored the values of a creation as applied before they were. They
            # are its intent now: nothing is agreed until it is confirmed.
            intended, agreed, before = agreed or intended, {}, {}
        intent = Intent(
            IntentState(str(state)),
            operation=_operation(step.split()),
            # By this machine's clock, because the format had no other. The end of the attempt is
            # unknown, so the wait starts with this run (rule 2).
            sent_at=int(str(noted_at)),
            intended=intended,
            before=before,
            wish=desired,
        )
    written = intent and _text(intent._asdict())
    ids = stream, key, facility_id, remote_id, external_id
    return (*ids, _text(agreed), past, written, noted_at)


def _operation(steps: list[str]) -> str:
    """Return the operation by which a doubt is resolved: in this format an intent had several."""
    # A creation is found by its number, whatever follows it. Otherwise a status change decides,
    # because it must never be sent twice. The digests cover all operations.
    return _STATUS if _STATUS in steps[1:] and "create_reservation" not in steps else steps[0]


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _statements(script: str) -> Iterator[str]:
    """Split a script, because ``executescript`` would commit the open transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
