"""The plan of a dry run: complete in a file, summarised on stderr."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import click
import msgspec

from target_bookio.private_files import PLAN, PrivateFile
from target_bookio.reporting.outcome import WRITTEN, OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from target_bookio.reporting.outcome import Change, Outcome

_FIRST_ROWS = 5
_SENDS_EMAIL = "change_reservation_status"
"""The one operation whose e-mail to the patient is documented (C)."""
_MAY_SEND_EMAIL = frozenset({"create_reservation", "change_reservation_term"})


class ShownPlan:
    """What a run would do: only keys, operations, field names, terms and statuses."""

    def __init__(self, rejects_path: Path) -> None:
        """Take the path of the reject file; the plan is written beside it."""
        self._path = rejects_path.with_name(PLAN)
        self._lines = bytearray()
        self._first: dict[str, list[str]] = {}
        self._operations: Counter[str] = Counter()
        self._emails = 0
        self._patients: set[str] = set()
        """Rows with a status change."""
        self._maybe_emailed: set[str] = set()
        """Rows with an operation that may send an e-mail."""
        self._overlaps = 0

    def add(self, outcome: Outcome) -> None:
        """Add the expected outcome of a record, if anything would happen."""
        if outcome.overlaps:
            self._overlaps += 1
        if outcome.kind is OutcomeKind.UNCHANGED:
            return
        written = outcome.kind in WRITTEN
        name = " + ".join(outcome.operations) if written else _WORDS[outcome.kind]
        key = json.dumps(outcome.key)
        if written:
            self._operations.update(outcome.operations)
            self._count_emails(f"{outcome.stream} {key}", outcome.operations)
        line = {
            "stream": outcome.stream,
            "key": outcome.key,
            "kind": name,
            "steps": [
                {"operation": operation, "fields": outcome.sent_fields.get(operation, ())}
                for operation in outcome.operations
            ],
            "changes": outcome.changes,
            "message": outcome.message,
            "fields": outcome.fields,
            "overlaps": outcome.overlaps,
        }
        self._lines += msgspec.json.encode(line) + b"\n"
        rows = self._first.setdefault(name, [])
        if len(rows) < _FIRST_ROWS:
            rows.append(f"{outcome.stream} {key} {_description(outcome)}")

    def show(self, counts: Mapping[str, int]) -> None:
        """Write the file; print the counts and the first rows of each kind to stderr."""
        lines = ["Dry run, nothing was written. Planned:"]
        changes = counts["changed"] + counts["confirmed"] + counts["removed"]
        for name, count in (
            ("create", counts["created"]),
            ("change", changes),
            ("unchanged", counts["unchanged"]),
            ("conflict", counts["conflicts"]),
            ("overlap", self._overlaps),
            ("reject", counts["rejected"]),
            *sorted(self._operations.items()),
        ):
            lines.append(f"  {name}: {count}")
        for name, rows in self._first.items():
            lines.append(f"{name}, the first {len(rows)}:")
            lines += (f"  {row}" for row in rows)
        lines += self._about_emails()
        self._write()
        lines.append(f"The whole plan is in {self._path}")
        click.echo("\n".join(lines), err=True)

    def _count_emails(self, row: str, operations: tuple[str, ...]) -> None:
        if count := operations.count(_SENDS_EMAIL):
            self._emails += count
            self._patients.add(row)
        if _MAY_SEND_EMAIL.intersection(operations):
            self._maybe_emailed.add(row)

    def _about_emails(self) -> list[str]:
        line = f"E-mails: {len(self._patients)} patients would get {self._emails} (status changes)"
        if more := len(self._maybe_emailed - self._patients):
            line += (
                f"; {more} more may get one (it is not documented what Bookio sends for a new "
                "booking or a move)"
            )
        return [line]

    def _write(self) -> None:
        file = PrivateFile(self._path, "rejects_path")
        try:
            file.empty()
            file.append(self._lines)
        finally:
            file.close()


_WORDS = {OutcomeKind.CONFLICT: "conflict", OutcomeKind.REJECTED: "reject"}


def _description(outcome: Outcome) -> str:
    """Return the details of a line: old and new values, overlaps, message or field names."""
    parts = [_shown(change) for change in outcome.changes]
    if outcome.overlaps:
        parts.append(f"overlaps with {', '.join(outcome.overlaps)}")
    if outcome.message:
        parts.append(outcome.message)
    if not parts:
        fields = {name for names in outcome.sent_fields.values() for name in names}
        parts.append(", ".join(sorted(fields)))
    return "; ".join(parts)


def _shown(change: Change) -> str:
    old, new = change.old or "(none)", change.new or "(Bookio decides)"
    return f"{change.field} {old} -> {new}"
