"""What a record leads to."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from target_bookio.plan.operations import Step


class PlanKind(StrEnum):
    """The four ways in which a record can be settled."""

    UNCHANGED = "unchanged"
    WRITE = "write"
    CONFLICT = "conflict"
    REJECT = "reject"


class Plan(NamedTuple):
    """What to do about one record."""

    kind: PlanKind
    steps: tuple[Step, ...] = ()
    message: str = ""
    fields: tuple[str, ...] = ()
    disputed: tuple[str, ...] = ()
    """Fields of a conflict: what is agreed about them is unknown from now on (rule 10)."""
    fixed: tuple[str, ...] = ()
    """Fields that differ and that Bookio cannot change; the rest is carried out all the same."""


UNCHANGED = Plan(PlanKind.UNCHANGED)


def reject(message: str, *fields: str) -> Plan:
    """Return the plan of a record that cannot be written."""
    return Plan(PlanKind.REJECT, message=message, fields=fields)


def write(steps: tuple[Step, ...], fixed: tuple[str, ...] = ()) -> Plan:
    """Return the plan of these requests, or of what is left if there are none."""
    if steps:
        return Plan(PlanKind.WRITE, steps, fixed=fixed)
    return reject(fixed_message(fixed), *fixed) if fixed else UNCHANGED


def fixed_message(fixed: tuple[str, ...]) -> str:
    """Return the line about what differs and cannot be changed."""
    return f"Bookio cannot change {', '.join(fixed)} of an existing row"
