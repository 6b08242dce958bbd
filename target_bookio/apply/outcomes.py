"""The outcome of a record for which a plan was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_bookio.plan import operations
from target_bookio.reporting.outcome import (
    Outcome,
    OutcomeKind,
    Reason,
    changes_between,
    written_kind,
)

if TYPE_CHECKING:
    from target_bookio.desired import Desired
    from target_bookio.plan.operations import Row
    from target_bookio.plan.planner import Plan


def written(desired: Desired, plan: Plan, row: Row | None, row_id: int | None) -> Outcome:
    """Return the outcome of a plan that was carried out; ``row`` is as it was before."""
    return _outcome(desired, plan, row, row_id, None)


def conflict(desired: Desired, plan: Plan, row: Row | None, row_id: int | None) -> Outcome:
    """Return the outcome of a plan that would undo what somebody did in Bookio."""
    return _outcome(desired, plan, row, row_id, OutcomeKind.CONFLICT)


def in_doubt(desired: Desired, message: str, operation: str) -> Outcome:
    """Return the outcome of a record of which nobody can tell whether it was written."""
    return Outcome.of(
        desired,
        OutcomeKind.REJECTED,
        operations=tuple(operation.split()),
        message=message,
        reason=Reason.IN_DOUBT,
    )


def refused(
    desired: Desired,
    message: str,
    operation: str,
    *,
    code: int | None = None,
    fields: tuple[str, ...] = (),
) -> Outcome:
    """Return the outcome of a record that Bookio did not take."""
    return Outcome.of(
        desired,
        OutcomeKind.REJECTED,
        operations=tuple(operation.split()),
        code=code,
        message=message,
        fields=fields,
        reason=Reason.REFUSED,
    )


def _outcome(
    desired: Desired,
    plan: Plan,
    row: Row | None,
    row_id: int | None,
    kind: OutcomeKind | None,
) -> Outcome:
    names = tuple(step.operation for step in plan.steps)
    after = row
    for step in plan.steps:
        after = operations.after(step, after, row_id)
    return Outcome.of(
        desired,
        kind or written_kind(names),
        row_id=row_id,
        operations=names,
        message=plan.message,
        fields=plan.fields,
        changes=changes_between(row, after or {}),
        sent_fields={step.operation: tuple(sorted(step.body or {})) for step in plan.steps},
    )
