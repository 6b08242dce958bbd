"""The plan for one record."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from target_bookio.plan.operations import Step


class PlanKind(StrEnum):
    """The result of planning a record."""

    UNCHANGED = "unchanged"
    """Nothing to do."""
    WRITE = "write"
    """At least one request."""
    CONFLICT = "conflict"
    """Somebody changed the row in Bookio."""
    REJECT = "reject"
    """The record cannot be written."""


class Plan(NamedTuple):
    """What to do about one record."""

    kind: PlanKind
    steps: tuple[Step, ...] = ()
    message: str = ""
    fields: tuple[str, ...] = ()
    disputed: tuple[str, ...] = ()
    """Fields of a conflict: their agreed values are unknown from now on (rule 10)."""
    fixed: tuple[str, ...] = ()
    """Fields that differ but that Bookio cannot change; the rest is still carried out."""


UNCHANGED = Plan(PlanKind.UNCHANGED)


def reject(message: str, *fields: str) -> Plan:
    """Return the plan of a record that cannot be written."""
    return Plan(PlanKind.REJECT, message=message, fields=fields)


def write(steps: tuple[Step, ...], fixed: tuple[str, ...] = ()) -> Plan:
    """Return the plan for these requests; without any, unchanged, or a reject of fixed fields."""
    if steps:
        return Plan(PlanKind.WRITE, steps, fixed=fixed)
    return reject(fixed_message(fixed), *fixed) if fixed else UNCHANGED


def fixed_message(fixed: tuple[str, ...]) -> str:
    """Return the message about differences that cannot be written."""
    return f"Bookio cannot change {', '.join(fixed)} of an existing row"
