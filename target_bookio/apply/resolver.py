"""Determines the outcome of a write in doubt, from what the lists show.

It reads the mirror and the lists and returns a verdict; it changes nothing.
Rules 14 to 16 and 21 to 23 of docs/design/write-back.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from bookio_api.contract import CALENDARS, CANCELLED, RESERVATIONS
from target_bookio.effects import EFFECTS, Effect
from target_bookio.plan.operations import without_ids

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_bookio.journal.entry import Entry, Intent
    from target_bookio.journal.store import Journal
    from target_bookio.refresh.mirror import Mirror, Seen
    from target_bookio.refresh.refresher import Refresher
    from target_bookio.refresh.row_merger import Shown


class Finding(StrEnum):
    """What is known about a write in doubt."""

    LANDED = "landed"
    NOT_LANDED = "not landed"
    """Proven: the row is planned from scratch (rule 16)."""
    OPEN = "open"
    """It may still land, or a list may be late."""
    UNDECIDABLE = "undecidable"
    """No list can show the outcome. It is never sent again."""


class Verdict(NamedTuple):
    """The outcome of a write."""

    finding: Finding
    row_id: int | None = None
    by_value: bool = False
    """Found because the row has the value that was sent: a person may have done the same."""


@dataclass(frozen=True)
class Resolver:
    """Judges the doubts of one run."""

    journal: Journal
    mirror: Mirror
    refresher: Refresher

    def deadline(self, since_ms: int) -> int:
        """Return from when a full scan decides a doubt (rules 2 and 3), by `Moment.steady_ms`."""
        return since_ms + self.refresher.resend_after_ms

    def is_final(self, entry: Entry, since_ms: int) -> bool:
        """Whether a COMPLETE full scan began late enough to decide (rules 3 and 15).

        Until then, a write that no list shows may still arrive, or the lists may lag behind it.
        """
        # A creation is absent only if it is in no facility's list.
        assert entry.intent is not None, "only a doubt is resolved"
        is_creation = EFFECTS[entry.intent.operation] is Effect.CREATE
        facility = None if is_creation else entry.facility_id
        scanned = self.refresher.full_scan_at(entry.stream, facility)
        return scanned is not None and scanned.steady_ms >= self.deadline(since_ms)

    def resolve(self, entry: Entry, since_ms: int) -> Verdict:
        """Judge a doubt by the last refresh; its attempt ended at ``since_ms``."""
        intent = entry.intent
        assert intent is not None, "only a doubt is resolved"
        effect = EFFECTS[intent.operation]
        if effect is Effect.CREATE:
            return self._resolve_creation(entry, intent, since_ms)
        if entry.remote_id is None:  # no response and no list has shown the row's id
            is_final = self.is_final(entry, since_ms)
            return Verdict(Finding.UNDECIDABLE if is_final else Finding.OPEN)
        if effect is Effect.REMOVE:
            return self._resolve_removal(entry, entry.remote_id, since_ms)
        return self._resolve_change(entry, intent, entry.remote_id, since_ms)

    def _resolve_creation(self, entry: Entry, intent: Intent, since_ms: int) -> Verdict:
        # Rule 14: a row with our externalId, or a calendar with its name, is the new row.
        found = self._row_with_key(entry)
        if found is not None:
            return Verdict(Finding.LANDED, found.id)
        # Rule 15: lists that show such keys, and do not show this one, show that it is absent.
        if entry.stream == CALENDARS or self.mirror.shows_our_numbers(entry.stream):
            is_final = self.is_final(entry, since_ms)
            return Verdict(Finding.NOT_LANDED if is_final else Finding.OPEN)
        # Otherwise lists may hide externalId, so only the booking's identity can recognise it. A
        # journal of the first format did not store that.
        if intent.person is None and intent.place is None:
            is_final = self.is_final(entry, since_ms)
            return Verdict(Finding.UNDECIDABLE if is_final else Finding.OPEN)
        candidates = [
            seen
            for seen in self.mirror.alike(entry.stream, intent.person, intent.place)
            if seen.first_seen_at > intent.sent_at and self._is_unowned(entry, seen)
        ]
        # Rule 21: a new row with the same person and the same place is the booking. If there are
        # several, they are identical bookings, and any of them will do.
        same = [s for s in candidates if (s.person, s.place) == (intent.person, intent.place)]
        if same:
            return Verdict(Finding.LANDED, min(seen.id for seen in same))
        if not self.is_final(entry, since_ms):
            return Verdict(Finding.OPEN)
        # Rule 23: a new row with the same person or place may be the booking, changed by somebody.
        return Verdict(Finding.UNDECIDABLE if candidates else Finding.NOT_LANDED)

    def _row_with_key(self, entry: Entry) -> Seen | None:
        """Return the row that has the entry's ``externalId`` or, for a calendar, its name."""
        if entry.external_id is not None:
            holders = self.mirror.holders(entry.stream, entry.external_id)
            return holders[0] if holders else None
        kind, _, rest = entry.key.partition(":")
        if kind != "name":
            return None
        facility, _, name = rest.partition(":")
        named = self.mirror.named(entry.stream, int(facility), name)
        return named[0] if named else None

    def _is_unowned(self, entry: Entry, seen: Seen) -> bool:
        """Whether a row shows no ``externalId`` and belongs to no other key (rule 21)."""
        owner = self.journal.get(entry.stream, f"id:{seen.id}")
        return seen.row.get("externalId") is None and (owner is None or owner.key == entry.key)

    def _resolve_removal(self, entry: Entry, row_id: int, since_ms: int) -> Verdict:
        if self.mirror.get(entry.stream, row_id) is None:
            return Verdict(Finding.LANDED, row_id)
        if not self.is_final(entry, since_ms):
            return Verdict(Finding.OPEN, row_id)
        # The mirror may have kept a row that the full scan did not list: see `is_gone`.
        return Verdict(Finding.LANDED if self.is_gone(entry) else Finding.NOT_LANDED, row_id)

    def is_gone(self, entry: Entry) -> bool:
        """Whether neither the last full scan since a row's request nor a later list shows the row.

        The mirror cannot show that: within the row's window it keeps a row that lists do not show.
        """
        shown = self.refresher.rows.shown(entry.stream, entry.remote_id or 0)
        scanned = self.refresher.full_scan_at(entry.stream, entry.facility_id)
        is_outdated = shown and scanned and shown.started_ms < scanned.steady_ms
        return shown is None or bool(is_outdated)

    def is_removed(self, entry: Entry, since_ms: int) -> bool:
        """Whether somebody removed a row for which Bookio has no path.

        Within the row's window the list may be late, and then the mirror keeps the row (rule 6).
        """
        is_mirrored = self.mirror.get(entry.stream, entry.remote_id or 0) is not None
        return self.is_gone(entry) and (not is_mirrored or self.is_final(entry, since_ms))

    def _resolve_change(self, entry: Entry, intent: Intent, row_id: int, since_ms: int) -> Verdict:
        # Rule 14: the row has the value that was sent. A single list decides, however early.
        shown = self.refresher.rows.shown(entry.stream, row_id)
        if shown is not None and self._shows(shown, _decisive(entry.stream, intent)):
            return Verdict(Finding.LANDED, row_id, by_value=True)
        if not self.is_final(entry, since_ms):
            return Verdict(Finding.OPEN, row_id)
        # The full scan did not list the row: it is cancelled and hidden, or removed. If it was to
        # be cancelled, that is what was wanted either way.
        if shown is None or shown.started_ms < self.deadline(since_ms):
            cancels = intent.intended.get("status") == self.journal.digest(CANCELLED)
            return Verdict(Finding.LANDED if cancels else Finding.NOT_LANDED, row_id)
        # A third value: somebody changed the row, before our write or after it. But a calendar is
        # changed as a whole, whatever it is now, and nobody is notified. So it is planned again,
        # which also recognises ours if Bookio has added fields of its own.
        if not self._shows(shown, intent.before):
            is_calendar = entry.stream == CALENDARS
            return Verdict(Finding.NOT_LANDED if is_calendar else Finding.UNDECIDABLE, row_id)
        # Rule 15: the earlier value. The write never arrived, or it did and a person undid it. Only
        # lastSync can distinguish these. If it cannot be trusted, a status change is not repeated:
        # a second e-mail to the patient is worse than a reject.
        touched = self.refresher.was_touched(
            entry.stream, entry.facility_id, row_id, intent.sent_at
        )
        if touched or (touched is None and EFFECTS[intent.operation] is Effect.STATUS):
            return Verdict(Finding.UNDECIDABLE, row_id)
        return Verdict(Finding.NOT_LANDED, row_id)

    def _shows(self, shown: Shown, values: Mapping[str, str]) -> bool:
        """Whether a listed row has all these values, except for those that Bookio decides."""
        wanted = {name: digest for name, digest in values.items() if digest}
        return bool(wanted) and all(
            name in shown.row and self.journal.digest(without_ids(shown.row[name])) == digest
            for name, digest in wanted.items()
        )


def _decisive(stream: str, intent: Intent) -> Mapping[str, str]:
    """Return the values that show that a request was carried out.

    Not the end of a reservation that got another start: Bookio may have set an end of its own.
    """
    start = intent.intended.get("dateFrom")
    if stream != RESERVATIONS or start in {None, intent.before.get("dateFrom")}:
        return intent.intended
    return {name: digest for name, digest in intent.intended.items() if name != "dateTo"}
