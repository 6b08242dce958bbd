"""Counts what became of the records, shows the plan of a dry run, and knows when to stop."""

from __future__ import annotations

import json
import logging
import os
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from bookio_api.errors import BookioError
from target_bookio.desired import key_of
from target_bookio.plan.operations import CREATE, END, REMOVE, SYNC
from target_bookio.private_files import PLAN, private_file, write_all
from target_bookio.settings import STOP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_bookio.desired import Desired
    from target_bookio.plan.planner import Plan
    from target_bookio.reporting.rejects import Rejects

logger = logging.getLogger(__name__)

COUNTED = ("created", "changed", "confirmed", "removed", "unchanged", "conflicts", "rejected",
           "retried")  # fmt: skip
FIRST_ROWS = 5

_COUNTED_AS = {CREATE: "created", SYNC: "confirmed", REMOVE: "removed", END: "removed"}


class Outcomes:
    """The books of one run."""

    def __init__(self, rejects: Rejects, settings: Mapping[str, Any]) -> None:
        """Start at nothing."""
        self._rejects = rejects
        self._most = 0 if settings["on_reject"] == STOP else settings["max_rejects"]
        self._dry_run = settings["dry_run"]
        self._rejects_path = Path(settings["rejects_path"])
        self._first_reject = ""
        self._plan_lines = bytearray()
        self._first: dict[str, list[str]] = {}
        self._planned: Counter[str] = Counter()
        self._started = time.monotonic()
        self.counts: Counter[str] = Counter()

    @property
    def over_limit(self) -> bool:
        """Whether so much was rejected that the run should stop."""
        return self.counts["rejected"] > self._most

    def check_limits(self) -> None:
        """Raise ``BookioError`` if the run should stop, once the rejects are on the disk."""
        if self.over_limit:
            self.commit()
            msg = (
                f"stopped after {self.counts['rejected']} rejects; see rejects_path, repair the "
                "records and run again"
            )
            raise BookioError(msg)

    def unchanged(self) -> None:
        """Count a record that needed nothing."""
        self.counts["unchanged"] += 1

    def retried(self) -> None:
        """Count a write that never arrived and is sent again."""
        self.counts["retried"] += 1

    def written(self, plan: Plan) -> None:
        """Count a record by what was done for it."""
        for kind in {_COUNTED_AS.get(step.group, "changed") for step in plan.steps}:
            self.counts[kind] += 1

    def conflict(self, desired: Desired, plan: Plan) -> None:
        """Report a record that Bookio's side wins over."""
        self.counts["conflicts"] += 1
        key = json.dumps(key_of(desired.stream, desired.record))
        logger.warning("%s %s: conflict, not written: %s", desired.stream, key, plan.message)
        if self._dry_run:
            self._show("conflict", desired, plan)

    def reject(
        self,
        stream: str,
        record: Mapping[str, Any],
        message: str,
        *,
        operation: str | None = None,
        code: int | None = None,
        fields: tuple[str, ...] = (),
    ) -> None:
        """Put a record into the reject file."""
        self.counts["rejected"] += 1
        self._first_reject = self._first_reject or message
        if self._dry_run:
            line = {"steps": [], "message": message, "fields": list(fields)}
            self._add("reject", stream, key_of(stream, record), line, message)
        else:
            self._rejects.add(
                stream, record, message, operation=operation, code=code, fields=fields
            )

    def reject_desired(
        self,
        desired: Desired,
        message: str,
        *,
        operation: str | None = None,
        code: int | None = None,
        fields: tuple[str, ...] = (),
    ) -> None:
        """Reject a record that could be read."""
        self.reject(
            desired.stream, desired.record, message, operation=operation, code=code, fields=fields
        )

    def refused(self, desired: Desired, error: BookioError, operation: str) -> None:
        """Reject a record that Bookio refused."""
        self.reject_desired(
            desired, str(error), operation=operation, code=error.code, fields=error.fields
        )

    def planned(self, desired: Desired, plan: Plan) -> None:
        """Note what a dry run would send."""
        self._planned.update(step.operation for step in plan.steps)
        self.written(plan)
        self._show(" + ".join(step.operation for step in plan.steps), desired, plan)

    def commit(self) -> None:
        """Put the rejects on the disk."""
        self._rejects.commit()

    def close(self) -> None:
        """Say how the run went, as a line for people and one for machines."""
        self.commit()
        if self._dry_run:
            self._write_plan()
        seconds = round(time.monotonic() - self._started, 1)
        counts = {name: self.counts[name] for name in COUNTED}
        if self._first_reject and not self._dry_run:
            logger.warning(
                "%d rejected, see %s; the first: %s",
                counts["rejected"], self._rejects_path, self._first_reject,
            )  # fmt: skip
        logger.info("summary: %s", json.dumps({**counts, "seconds": seconds}))
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        click.echo(f"target-bookio: {told}, {seconds} seconds", err=True)

    def _show(self, kind: str, desired: Desired, plan: Plan) -> None:
        steps = [
            {"operation": step.operation, "fields": sorted(step.body or {})} for step in plan.steps
        ]
        fields = sorted({name for step in plan.steps for name in step.body or ()})
        key = key_of(desired.stream, desired.record)
        self._add(kind, desired.stream, key, {"steps": steps}, ", ".join(fields) or plan.message)

    def _add(
        self, kind: str, stream: str, key: dict[str, Any], more: dict[str, Any], told: str
    ) -> None:
        """Add a line to the plan, and to what is shown of it."""
        line = {"stream": stream, "key": key, "kind": kind, **more}
        self._plan_lines += msgspec.json.encode(line) + b"\n"
        rows = self._first.setdefault(kind, [])
        if len(rows) < FIRST_ROWS:
            rows.append(f"{stream} {json.dumps(key)} {told}")

    def _write_plan(self) -> None:
        counts = self.counts
        click.echo("Dry run, nothing was written. It would be:", err=True)
        changes = counts["changed"] + counts["confirmed"] + counts["removed"]
        for name, count in (
            ("create", counts["created"]), ("change", changes), ("unchanged", counts["unchanged"]),
            ("conflict", counts["conflicts"]), ("reject", counts["rejected"]),
            *sorted(self._planned.items()),
        ):  # fmt: skip
            click.echo(f"  {name}: {count}", err=True)
        for kind, rows in self._first.items():
            click.echo(f"{kind}, the first {len(rows)}:", err=True)
            for row in rows:
                click.echo(f"  {row}", err=True)
        path = self._rejects_path.with_name(PLAN)
        descriptor = private_file(path, "rejects_path")
        os.ftruncate(descriptor, 0)
        write_all(descriptor, self._plan_lines)
        os.close(descriptor)
        click.echo(f"All of it is in {path}", err=True)
