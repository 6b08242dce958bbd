"""Reports the outcome of a row's first record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bookio_api.contract import TERM
from target_bookio.apply import messages
from target_bookio.plan.plan import fixed_message
from target_bookio.reporting.outcome import Change, Outcome, OutcomeKind, Reason, written_kind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from bookio_api.errors import BookioError
    from target_bookio.apply.bookkeeper import Bookkeeper
    from target_bookio.apply.row_queue import RowQueue
    from target_bookio.desired import RecordError
    from target_bookio.plan.operations import Step
    from target_bookio.plan.plan import Plan
    from target_bookio.reporting.report import Report


class Reporter:
    """Reports the records of one run, and removes them from their queues."""

    def __init__(self, report: Report, keeper: Bookkeeper) -> None:
        """Take the report, and the books that store what was refused."""
        self._report = report
        self._keeper = keeper

    def unreadable(self, stream: str, record: Mapping[str, Any], error: RecordError) -> None:
        """Reject an invalid record."""
        self._report.add(
            Outcome(
                kind=OutcomeKind.REJECTED,
                stream=stream,
                record=record,
                message=str(error),
                fields=error.fields,
            )
        )

    def done(self, queue: RowQueue, row_id: int | None = None) -> None:
        """Report the first record as done, with its operations."""
        operations, fixed = tuple(queue.operations), queue.fixed
        changes = tuple(Change(*change) for change in queue.changes)
        sent_fields = dict(queue.sent_fields)
        overlaps = queue.overlaps if operations else ()
        desired = queue.finish()
        self._report.add(
            Outcome.of(
                desired,
                written_kind(operations) if operations else OutcomeKind.UNCHANGED,
                row_id=row_id,
                operations=operations,
                changes=changes,
                sent_fields=sent_fields,
                overlaps=overlaps,
            )
        )
        if operations and fixed:
            self._report.add(
                Outcome.of(
                    desired,
                    OutcomeKind.REJECTED,
                    row_id=row_id,
                    message=f"carried out, but {fixed_message(fixed)}",
                    fields=fixed,
                    reason=Reason.INVALID,
                )
            )

    def conflict(self, queue: RowQueue, plan: Plan, row: Mapping[str, Any] | None) -> None:
        """Report the first record as a conflict."""
        changes = [change for step in plan.steps for change in changes_of(step, row or {})]
        self._keeper.refuse(queue.current)
        self._report.add(
            Outcome.of(
                queue.finish(),
                OutcomeKind.CONFLICT,
                row_id=(row or {}).get("id"),
                operations=tuple(step.operation for step in plan.steps),
                message=plan.message,
                fields=plan.fields,
                changes=tuple(Change(*change) for change in changes),
            )
        )

    def reject(
        self,
        queue: RowQueue,
        message: str,
        *,
        fields: tuple[str, ...] = (),
        reason: Reason | None = None,
        error: BookioError | None = None,
        overlaps: tuple[str, ...] = (),
    ) -> None:
        """Report the first record as rejected, with the operation that was sent, if any."""
        was_sent = queue.step is not None and (queue.sent > 0 or error is not None)
        operations = (queue.step.operation,) if queue.step is not None and was_sent else ()
        self._keeper.refuse(queue.current)
        self._report.add(
            Outcome.of(
                queue.finish(),
                OutcomeKind.REJECTED,
                operations=operations,
                code=error.code if error else None,
                message=message,
                fields=fields,
                reason=reason,
                overlaps=overlaps,
            )
        )

    def refused(self, queue: RowQueue, error: BookioError) -> None:
        """Report the first record as one that Bookio refused."""
        self.reject(queue, str(error), fields=error.fields, error=error)

    def retried(self) -> None:
        """Count a request that is repeated because it did not arrive."""
        self._report.retried()

    def two_rows(self, stream: str, external_id: int) -> None:
        """Report an ``externalId`` that two rows have, if no record refers to it (rule 19)."""
        self._report.add(
            Outcome(
                kind=OutcomeKind.REJECTED,
                stream=stream,
                record={"externalId": external_id},
                message=messages.TWO_ROWS,
                fields=("externalId",),
                reason=Reason.DUPLICATE,
            )
        )


def changes_of(step: Step, old: Mapping[str, Any]) -> list[tuple[str, str | None, str | None]]:
    """Return the old and new values of term and status."""
    body = step.body or {}
    names = [name for name in (*TERM, "status") if name in body]
    return [(name, old.get(name), body[name]) for name in names]
