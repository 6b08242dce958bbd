"""Makes what the doctor's survey saw, for tests of its judgements."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bookio_doctor.probe import Reply
from bookio_doctor.survey import ListSeen, Survey

if TYPE_CHECKING:
    from bookio_doctor.finding import Finding

Row = dict[str, Any]


def reply(status: int = 200, document: Any = None, **headers: str) -> Reply:
    content = json.dumps(document).encode()
    return Reply("GET", "/reservations", status, headers, content, document, 0.0, 0.01)


def listed(rows: list[Row], **pagination: Any) -> Reply:
    """Return the response of a list of reservations."""
    data = {"reservations": rows, "pagination": pagination}
    return reply(document={"result": {"success": True, "data": data}})


def refused(status: int = 400, code: int | None = 10) -> Reply:
    return reply(status, {"result": {"success": False, "errors": [], "errorCode": code}})


def survey(rows: list[Row] | None = None, **seen: Any) -> Survey:
    """Return what was seen of a Bookio whose reservations are these."""
    taken = Survey(None, {})  # type: ignore[arg-type]
    found = ListSeen("list_reservations")
    found.note("/reservations", listed(rows or [], total=len(rows or [])))
    taken.lists["list_reservations"] = found
    for name, value in seen.items():
        setattr(taken, name, value)
    return taken


def by_topic(findings: Any) -> dict[str, Finding]:
    return {finding.topic: finding for finding in findings}
