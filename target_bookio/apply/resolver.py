"""Determines the outcome of a write in doubt, from what the lists show.

It reads mirror and lists and returns a verdict; it changes nothing and writes nothing.
Rules 14 to 16 and 21 to 23 of docs/design/write-back.md.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from bookio_api.contract import CALENDARS, CANCELLED
from target_bookio.plan.operations import EFFECTS, Effect, without_ids

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
    UNTELLABLE = "untellable"
    """No list can show it. It is never sent again."""


class Verdict(NamedTuple):
    """The outcome of a write."""

    finding: Finding
    row_id: int | None = None
    by_value: bool = False
    """Found because the row has the value that was sent: a person may have done the same."""


class Resolver:
    """Judges the doubts of one run."""

    def __init__(self, journal: Journal, mirror: Mirror, refresher: Refresher) -> None:
        """Take where to look."""
        self._journal = journal
        self._mirror = mirror
        self._refresher = refresher

    def deadline(self, intent: Intent) -> int:
        """Return Bookio's time from when a full scan decides (rules 2 and 3)."""
        return intent.ended_at + self._refresher.resend_after_ms

    def is_final(self, entry: Entry) -> bool:
        """Whether a COMPLETE full scan began late enough to decide (rules 3 and 15)."""
        assert entry.intent is not None, "only a doubt is resolved"
        return self._full_scan_at(entry) >= self.deadline(entry.intent)

    def resolve(self, entry: Entry) -> Verdict:
        """Judge a doubt by the last refresh."""
        intent = entry.intent
        assert intent is not None, "only a doubt is resolved"
        effect = EFFECTS[intent.operation]
        if effect is Effect.CREATE:
            return self._resolve_creation(entry, intent)
        if entry.remote_id is None:
            return Verdict(Finding.UNTELLABLE if self.is_final(entry) else Finding.OPEN)
        if effect is Effect.REMOVE:
            return self._resolve_removal(entry, entry.remote_id)
        return self._resolve_change(entry, intent, entry.remote_id)

    def _full_scan_at(self, entry: Entry) -> int:
        # A creation is absent only if no facility has it.
        effect = EFFECTS[entry.intent.operation] if entry.intent else None
        facility = None if effect is Effect.CREATE else entry.facility_id
        return self._refresher.full_scan_at(entry.stream, facility)

    def _resolve_creation(self, entry: Entry, intent: Intent) -> Verdict:
        found = self._find_new(entry)
        if found is not None:
            return Verdict(Finding.LANDED, found.id)
        if entry.stream == CALENDARS or self._mirror.shows_our_numbers(entry.stream):
            finding = Finding.NOT_LANDED if self.is_final(entry) else Finding.OPEN
            return Verdict(finding)
        # The lists may hide externalId, of all rows or only of ours (rules 21 to 23).
        if intent.person is None and intent.place is None:
            # A journal of the first format did not store the booking's identity.
            return Verdict(Finding.UNTELLABLE if self.is_final(entry) else Finding.OPEN)
        alike = [
            seen
            for seen in self._mirror.alike(entry.stream, intent.person, intent.place)
            if seen.first_seen_at > intent.sent_at and self._is_free(entry, seen)
        ]
        same = [s for s in alike if (s.person, s.place) == (intent.person, intent.place)]
        if same:
            return Verdict(Finding.LANDED, min(seen.id for seen in same))
        if not self.is_final(entry):
            return Verdict(Finding.OPEN)
        return Verdict(Finding.UNTELLABLE if alike else Finding.NOT_LANDED)

    def _find_new(self, entry: Entry) -> Seen | None:
        if entry.external_id is not None:
            held = self._mirror.holders(entry.stream, entry.external_id)
            return held[0] if held else None
        kind, _, rest = entry.key.partition(":")
        if kind != "name":
            return None
        facility, _, name = rest.partition(":")
        named = self._mirror.named(entry.stream, int(facility), name)
        return named[0] if named else None

    def _is_free(self, entry: Entry, seen: Seen) -> bool:
        """Whether a row shows no number and belongs to no other key (rule 21)."""
        owner = self._journal.get(entry.stream, f"id:{seen.id}")
        return seen.row.get("externalId") is None and (owner is None or owner.key == entry.key)

    def _resolve_removal(self, entry: Entry, row_id: int) -> Verdict:
        if self._mirror.get(entry.stream, row_id) is None:
            return Verdict(Finding.LANDED, row_id)
        if not self.is_final(entry):
            return Verdict(Finding.OPEN, row_id)
        return Verdict(Finding.LANDED if self.is_gone(entry) else Finding.NOT_LANDED, row_id)

    def is_gone(self, entry: Entry) -> bool:
        """Whether the lists that were read for a row since its request do not show it.

        Within the row's window the mirror keeps what such a list does not show.
        """
        return self._refresher.rows.shown(entry.stream, entry.remote_id or 0) is None

    def _resolve_change(self, entry: Entry, intent: Intent, row_id: int) -> Verdict:
        shown = self._refresher.rows.shown(entry.stream, row_id)
        if shown is not None and self._shows(shown, intent.intended):
            return Verdict(Finding.LANDED, row_id, by_value=True)
        if not self.is_final(entry):
            return Verdict(Finding.OPEN, row_id)
        if shown is None or shown.started_at < self.deadline(intent):
            # The full scan did not list it. A row that was to be cancelled is gone either way.
            cancelled = intent.intended.get("status") == self._journal.digest(CANCELLED)
            return Verdict(Finding.LANDED if cancelled else Finding.NOT_LANDED, row_id)
        if not self._shows(shown, intent.before):
            return Verdict(Finding.UNTELLABLE, row_id)
        # The earlier value: it never landed, or it did and a person undid it (rule 15). Only
        # lastSync tells these apart. Without it a second e-mail is the greater harm.
        touched = self._refresher.was_touched(
            entry.stream, entry.facility_id, row_id, intent.sent_at
        )
        if touched or (touched is None and EFFECTS[intent.operation] is Effect.STATUS):
            return Verdict(Finding.UNTELLABLE, row_id)
        return Verdict(Finding.NOT_LANDED, row_id)

    def _shows(self, shown: Shown, values: Mapping[str, str]) -> bool:
        """Whether a listed row has all these values, except for those that Bookio decides."""
        wanted = {name: digest for name, digest in values.items() if digest}
        return bool(wanted) and all(
            name in shown.row and self._journal.digest(without_ids(shown.row[name])) == digest
            for name, digest in wanted.items()
        )
