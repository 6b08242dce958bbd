"""The mirror: a copy of Bookio's lists in the journal's file, keyed by Bookio's id.

The key is not ``externalId``, so that two rows with the same one are both found (rule 19). Personal
data are stored only as keyed digests.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from bookio_api.contract import CANCELLED
from target_bookio.journal.table import Table
from target_bookio.journal.windows import facility_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_bookio.journal.store import Journal
    from target_bookio.plan.operations import Row

MAX_KNOWN = 5_000
"""Maximum rows in memory."""
_COLUMNS = (
    "stream, id, facility_id, external_id, body, person, place, first_seen_at, shows_external_id"
)


class ListedNumber(IntEnum):
    """What lists show of a row's ``externalId``. The journal stores these values."""

    LEFT_OUT = 0
    """The field is left out: lists hide it, or the row has none."""
    SHOWN = 1
    EMPTY = 2
    """The list shows the field without a value, so the row has none."""


class Seen(NamedTuple):
    """A mirrored row, and what is known from its lists."""

    row: Row
    person: int | None = None
    place: int | None = None
    first_seen_at: int = 0
    """When the scan began that first listed it, or when we sent its creation."""
    listed_number: ListedNumber = ListedNumber.LEFT_OUT
    """What its list last showed of its ``externalId``."""

    @property
    def id(self) -> int:
        """Bookio's id of the row."""
        return int(self.row["id"])


class Feed(NamedTuple):
    """When and how a facility's list was read."""

    asked_at: int
    """The bookmark: Bookio's time at the first request of the last refresh."""
    full_at: int
    """The same of the last COMPLETE full scan."""
    row_count: int


class Mirror:
    """The mirrored rows of one account. Used by one thread."""

    def __init__(self, journal: Journal) -> None:
        """Use the tables of the journal's file, and its commits (rule 20)."""
        self._db = journal.database
        self._table = Table(self._db, "mirror", _COLUMNS, _row)
        journal.on_commit(self._table.flush)
        # Caches of what was looked up: without them, each record would cost several statements.
        self._rows: dict[tuple[str, int], Seen | None] = {}
        """Rows by stream and id; ``None`` if the mirror does not have it."""
        self._ids: dict[tuple[str, int], tuple[int, ...]] = {}
        """The ids of the rows with an ``externalId``, by stream and ``externalId``."""
        self._places: dict[int, bool] = {}
        """Whether any row has a place (see `Identity`)."""

    def load(self, stream: str, ids: Iterable[int], external_ids: Iterable[int] = ()) -> None:
        """Look up many rows at once."""
        if len(self._rows) >= MAX_KNOWN:
            self._rows.clear()
            self._ids.clear()
            self._places.clear()
        self._look_up(stream, ids, external_ids)

    def _look_up(self, stream: str, ids: Iterable[int], external_ids: Iterable[int] = ()) -> None:
        # What is not found is remembered as missing, so that it is not looked up again.
        wanted = [row_id for row_id in ids if (stream, row_id) not in self._rows]
        self._rows.update(dict.fromkeys((stream, row_id) for row_id in wanted))
        found = self._table.select_in(stream, "id", wanted)
        numbers = [number for number in external_ids if (stream, number) not in self._ids]
        self._ids.update(dict.fromkeys(((stream, number) for number in numbers), ()))
        for row in self._table.select_in(stream, "external_id", numbers):
            self._ids[stream, row[3]] = (*self._ids[stream, row[3]], row[1])
            found.append(row)
        for row in found:
            self._rows[stream, row[1]] = _seen(row)

    def get(self, stream: str, row_id: int) -> Seen | None:
        """Return a row by Bookio's id."""
        if (stream, row_id) not in self._rows:
            self._look_up(stream, [row_id])
        return self._rows[stream, row_id]

    def holders(self, stream: str, external_id: int) -> list[Seen]:
        """Return every row with this ``externalId``; those that are not cancelled first."""
        if (stream, external_id) not in self._ids:
            self._look_up(stream, [], [external_id])
        rows = [self.get(stream, row_id) for row_id in self._ids[stream, external_id]]
        holders = [seen for seen in rows if seen is not None]
        return sorted(holders, key=lambda seen: seen.row.get("status") == CANCELLED)

    def named(self, stream: str, facility_id: int | None, name: str) -> list[Seen]:
        """Return the calendars of a facility with this name."""
        condition = "stream = ? AND facility_id IS ? AND body ->> 'name' = ?"
        return [_seen(row) for row in self._table.select(condition, stream, facility_id, name)]

    def load_places(self, places: Iterable[int]) -> None:
        """Look up many places at once: whether any row has them."""
        wanted = [place for place in places if place not in self._places]
        self._places.update(dict.fromkeys(wanted, False))
        listed = msgspec.json.encode(wanted).decode()
        query = "place IN (SELECT value FROM json_each(?))"
        for row in self._table.select(query, listed) if wanted else ():
            self._places[row[6]] = True

    def has_place(self, place: int) -> bool:
        """Whether any row has this place."""
        if place not in self._places:
            self.load_places([place])
        return self._places[place]

    def same(self, stream: str, person: int, place: int) -> list[Seen]:
        """Return the rows with both this person and this place."""
        rows = self._table.select("stream = ? AND place = ?", stream, place)
        return [seen for seen in map(_seen, rows) if seen.person == person]

    def alike(self, stream: str, person: int | None, place: int | None) -> list[Seen]:
        """Return the rows with this person or this place."""
        condition = "stream = ? AND (person = ? OR place = ?)"
        return [_seen(row) for row in self._table.select(condition, stream, person, place)]

    def began_at(self, stream: str, facility_id: int | None) -> int:
        """Return when the first list of a facility was read that had any of its rows."""
        self._table.flush()
        query = "SELECT min(first_seen_at) FROM mirror WHERE stream = ? AND facility_id IS ?"
        return int(self._db.execute(query, (stream, facility_id))[0][0] or 0)

    def bodies(self, stream: str, facility_id: int | None = None, month: str = "") -> Iterator[Row]:
        """Yield the rows of a stream, or those of a facility that begin in a month, ``YYYY-MM``."""
        condition, values = "stream = ?", [stream]
        if month:
            condition += " AND facility_id IS ? AND substr(body ->> 'dateFrom', 1, 7) = ?"
            values += [facility_id, month]  # type: ignore[list-item]
        self._table.flush()
        query = f"SELECT body FROM mirror WHERE {condition}"  # noqa: S608 - only constants
        return (msgspec.json.decode(row[0]) for row in self._db.each(query, values))

    def put(self, stream: str, seen: Seen) -> None:
        """Store a row, as listed or after a confirmed write."""
        row, row_id = seen.row, seen.id
        external_id = row.get("externalId")
        # The caches follow, so that the records after this one see the row as it is now.
        before = self._rows.get((stream, row_id))
        if before is None or before.row.get("externalId") != external_id:
            if before is not None and (old := before.row.get("externalId")) is not None:
                self._drop_number(stream, old, row_id)
            known = self._ids.get((stream, external_id)) if external_id is not None else None
            if external_id is not None and known is not None and row_id not in known:
                self._ids[stream, external_id] = (*known, row_id)
        self._rows[stream, row_id] = seen
        if seen.place is not None:
            self._places[seen.place] = True
        self._table.put(stream, row_id, (stream, seen))

    def remove(self, stream: str, row_id: int) -> None:
        """Record that Bookio no longer has the row."""
        before = self.get(stream, row_id)
        if before is not None and (old := before.row.get("externalId")) is not None:
            self._drop_number(stream, old, row_id)
        self._rows[stream, row_id] = None
        self._table.delete(stream, row_id)

    def ids_of(self, stream: str, facility_id: int | None) -> Iterable[int]:
        """Yield the ids of a facility's rows."""
        self._table.flush()
        where, values = "stream = ?", [stream]
        if facility_id is not None:
            where, values = where + " AND facility_id = ?", [*values, facility_id]  # type: ignore[list-item]
        query = f"SELECT id FROM mirror WHERE {where}"  # noqa: S608 - only constants
        return (row[0] for row in self._db.each(query, values))

    def duplicates(self, stream: str) -> list[int]:
        """Return our ``externalId`` values that several uncancelled rows have (rule 19)."""
        self._table.flush()
        # The exact query joins with all entries. So first ask whether any value occurs twice, which
        # an index answers, and which is rarely so.
        exact = (
            "SELECT m.external_id FROM mirror AS m WHERE m.stream = ? AND "
            "m.external_id IS NOT NULL AND m.body ->> 'status' IS NOT 'CANCELLED' "
            "GROUP BY m.external_id HAVING count(*) > 1 AND EXISTS (SELECT 1 FROM entries AS e "
            "WHERE e.stream = m.stream AND e.external_id = m.external_id)"
        )
        quick = (
            "SELECT 1 FROM mirror WHERE stream = ? AND external_id IS NOT NULL "
            "GROUP BY external_id HAVING count(*) > 1 LIMIT 1"
        )
        if not self._db.execute(quick, (stream,)):
            return []
        return [row[0] for row in self._db.execute(exact, (stream,))]

    def shows_our_numbers(self, stream: str) -> bool:
        """Whether a list has shown the ``externalId`` of a row that is known to be ours.

        Until then, lists are assumed to hide it, at least for our rows.
        """
        self._table.flush()
        query = (
            "SELECT 1 FROM entries AS e JOIN mirror AS m ON m.stream = e.stream "
            "AND m.id = e.remote_id WHERE e.stream = ? AND m.shows_external_id = 1 LIMIT 1"
        )
        return bool(self._db.execute(query, (stream,)))

    def has_hidden(self, stream: str) -> bool:
        """Whether a live row has no entry, and its list leaves its ``externalId`` out."""
        self._table.flush()
        query = (
            "SELECT 1 FROM mirror AS m WHERE m.stream = ? AND m.external_id IS NULL "
            "AND m.shows_external_id = 0 AND m.body ->> 'status' IS NOT 'CANCELLED' "
            "AND NOT EXISTS (SELECT 1 FROM entries AS e "
            "WHERE e.stream = m.stream AND e.remote_id = m.id) LIMIT 1"
        )
        return bool(self._db.execute(query, (stream,)))

    def feed(self, stream: str, facility_id: int | None) -> Feed | None:
        """Return when and how a facility's list was read, if it was."""
        query = (
            "SELECT asked_at, full_at, row_count FROM feeds WHERE stream = ? AND facility_id = ?"
        )
        rows = self._db.execute(query, (stream, facility_key(facility_id)))
        return Feed(*rows[0]) if rows else None

    def put_feed(self, stream: str, facility_id: int | None, feed: Feed) -> None:
        """Record that a facility's list was read."""
        key = (stream, facility_key(facility_id))
        self._db.execute("INSERT OR REPLACE INTO feeds VALUES (?, ?, ?, ?, ?)", (*key, *feed))

    def latest(self) -> int:
        """Return the latest recorded time, to detect a clock that went back."""
        found: int | None = self._db.execute("SELECT max(asked_at) FROM feeds")[0][0]
        return found or 0

    def restart(self) -> None:
        """Mark every facility for a full read; the rows stay, to be merged (rule 7)."""
        self._db.execute("UPDATE feeds SET full_at = 0, asked_at = 0")

    def _drop_number(self, stream: str, external_id: int, row_id: int) -> None:
        known = self._ids.get((stream, external_id))
        if known is not None:
            self._ids[stream, external_id] = tuple(key for key in known if key != row_id)


def _row(keyed: tuple[str, Seen]) -> tuple[Any, ...]:
    """Return the values of ``_COLUMNS``."""
    stream, seen = keyed
    row = seen.row
    body = msgspec.json.encode(row).decode()
    numbers = row.get("facilityId"), row.get("externalId")
    return (stream, seen.id, *numbers, body, *seen[1:4], int(seen.listed_number))


def _seen(row: tuple[Any, ...]) -> Seen:
    _, _, _, _, body, person, place, first_seen_at, listed = row
    row_body = msgspec.json.decode(body)
    return Seen(row_body, person, place, first_seen_at, ListedNumber(listed))
