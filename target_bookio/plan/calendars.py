"""Plans for calendars: modified as a whole, ended instead of removed, never in conflict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bookio_api.schemas import write_schema
from target_bookio.plan.operations import Step
from target_bookio.plan.plan import UNCHANGED, Plan, reject, write
from target_bookio.plan.same_meaning import covers

if TYPE_CHECKING:
    from target_bookio.desired import Desired
    from target_bookio.plan.operations import Row


def modification(desired: Desired, row: Row) -> Plan:
    """Return the plan that makes a calendar equal to the record."""
    names = write_schema("calendar")["properties"]
    wanted = {name: desired.values[name] for name in names if name in desired.values}
    if all(covers(row.get(name), value) for name, value in wanted.items()):
        return UNCHANGED
    # The request replaces the whole calendar. Bookio's own values are sent back where they cover
    # the record's, so that for instance its services keep their ids.
    kept = {
        name: row[name]
        for name in names
        if name in row and (name not in wanted or covers(row[name], wanted[name]))
    }
    return write((Step("modify_calendar", {**wanted, **kept}),))


def ending(desired: Desired, row: Row) -> Plan:
    """Return the plan for a calendar that the source removed."""
    ends = desired.values.get("validTo")
    if ends is None:
        return reject("a calendar ends on its validTo; set it", "validTo")
    if row.get("validTo") == ends:
        return UNCHANGED
    return write((Step("end_calendar", {"validTo": ends}),))
