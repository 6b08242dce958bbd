"""The tables of the journal's file: an entry for each row, and the mirror.

No column contains a patient's data. ``digest`` means a keyed hash of a value (`Journal.digest`).
Times are epoch milliseconds by Bookio's clock (`refresh.server_clock`), not by this machine's.
"""

from __future__ import annotations

SCHEMA_VERSION = 2
"""Stored in ``PRAGMA user_version``. Files of version 0 have one table ``writes`` instead."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;

-- One for each row of Bookio that this target wrote or found equal to a record.
CREATE TABLE IF NOT EXISTS entries (
    stream TEXT NOT NULL,
    key TEXT NOT NULL,           -- its first key: id:17, externalId:42, name:...
    facility_id INTEGER,
    remote_id INTEGER,           -- Bookio's id
    external_id INTEGER,         -- the clinic's number
    agreed TEXT NOT NULL,        -- JSON: digests last applied or agreed; '' = unknown
    asked TEXT NOT NULL,         -- JSON: digests asked for where Bookio decides
    past TEXT NOT NULL,          -- JSON list: digests of its records, oldest first; ! = refused
    written_at INTEGER NOT NULL, -- when the last write was answered; 0 = never
    intent TEXT,                 -- JSON (journal.entry.Intent), or NULL
    noted_at INTEGER NOT NULL,   -- last noted or seen, by this machine's clock
    PRIMARY KEY (stream, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_by_id ON entries (stream, remote_id);
CREATE INDEX IF NOT EXISTS entries_by_external_id ON entries (stream, external_id);
CREATE INDEX IF NOT EXISTS entries_in_doubt ON entries (stream) WHERE intent IS NOT NULL;

-- Rows that changed so recently that a list may still show an older value (rules 4 to 7).
-- Not part of the mirror: dropping or renewing the mirror leaves them.
CREATE TABLE IF NOT EXISTS windows (
    stream TEXT NOT NULL,
    row_id INTEGER NOT NULL,
    facility_id INTEGER,
    sent_at INTEGER NOT NULL,     -- a refresh asks back to here
    answered_at INTEGER NOT NULL, -- the window runs from here
    before TEXT NOT NULL,         -- JSON, field -> digests of earlier values
    quarantined INTEGER NOT NULL, -- 1: found by its value (rule 14): no writes
    PRIMARY KEY (stream, row_id)
) WITHOUT ROWID;

-- Writes that an incremental list must show once, or lastSync is not trusted (rule 8).
CREATE TABLE IF NOT EXISTS trials (
    stream TEXT NOT NULL,
    row_id INTEGER NOT NULL,
    facility_id INTEGER,
    kind TEXT NOT NULL,           -- what was written: create, term, status or sync
    sent_at INTEGER NOT NULL,
    answered_at INTEGER NOT NULL,
    PRIMARY KEY (stream, row_id, kind)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trust (
    stream TEXT NOT NULL,
    facility_id INTEGER NOT NULL, -- -1: the token lists no facilities
    kind TEXT NOT NULL,
    is_trusted INTEGER NOT NULL,
    PRIMARY KEY (stream, facility_id, kind)
) WITHOUT ROWID;

-- The mirror: what Bookio lists. It can be dropped at any time; the next refresh reads it again.
CREATE TABLE IF NOT EXISTS mirror (
    stream TEXT NOT NULL,
    id INTEGER NOT NULL,
    facility_id INTEGER,
    external_id INTEGER,
    body TEXT NOT NULL,           -- JSON: the row, digests instead of a patient's words
    person INTEGER,               -- digests of what identifies a booking where externalId is hidden
    place INTEGER,
    first_seen_at INTEGER NOT NULL,
    shows_external_id INTEGER NOT NULL, -- refresh.mirror.ListedNumber
    PRIMARY KEY (stream, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS mirror_by_external_id ON mirror (stream, external_id)
    WHERE external_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS mirror_by_place ON mirror (place) WHERE place IS NOT NULL;
CREATE INDEX IF NOT EXISTS mirror_by_person ON mirror (person) WHERE person IS NOT NULL;
CREATE TABLE IF NOT EXISTS feeds (
    stream TEXT NOT NULL,
    facility_id INTEGER NOT NULL,  -- -1: the token lists no facilities
    asked_at INTEGER NOT NULL,     -- the bookmark: when the last refresh asked its first question
    full_at INTEGER NOT NULL,      -- when the last COMPLETE full scan did
    row_count INTEGER NOT NULL,
    PRIMARY KEY (stream, facility_id)
) WITHOUT ROWID;
"""
