"""Makes what the doctor's survey saw, for tests of its judgements."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bookio_api.contract import OPERATIONS, RESOURCES
from bookio_api.decoding import BodyDecoder
from bookio_api.errors import BookioError
from bookio_api.responses import RawResponse, parse_response
from bookio_doctor.answers import Answer, Reply, outline_of
from bookio_doctor.observations import ListSeen, Survey
from bookio_doctor.probe import answer_with_list

if TYPE_CHECKING:
    from bookio_doctor.finding import Finding

Row = dict[str, Any]


def reply(status: int = 200, document: Any = None, **headers: str) -> Reply:
    return Reply(status, headers, outline_of(document), 0.0, 0.01)


def answer(
    status: int = 200, document: Any = None, operation: str = "list_reservations", **headers: str
) -> Answer:
    """Return what the client makes of a response."""
    op = OPERATIONS[operation]
    came = reply(status, document, **headers)
    raw = RawResponse(status, headers, json.dumps(document).encode())
    try:
        return answer_with_list(op, came, parse_response(BodyDecoder(), op, raw))
    except BookioError as error:
        return Answer(op, came, error)


def listed(rows: list[Row], operation: str = "list_reservations", **pagination: Any) -> Answer:
    """Return the answer of a list."""
    data = {OPERATIONS[operation].rows: rows, "pagination": pagination}
    return answer(document={"result": {"success": True, "data": data}}, operation=operation)


def refused(status: int = 400, code: int | None = 10) -> Answer:
    return answer(status, {"result": {"success": False, "errors": [], "errorCode": code}})


def survey(rows: list[Row] | None = None, **seen: Any) -> Survey:
    """Return what was seen of a Bookio with these reservations, and whose other lists are empty.

    ``lists`` among ``seen`` replaces some of the lists, by operation.
    """
    names = [resource.list_operation for resource in RESOURCES.values()]
    answers = {name: listed([], name) for name in names}
    answers["list_reservations"] = listed(rows or [], total=len(rows or []))
    lists = {name: ListSeen(OPERATIONS[name], (found,)) for name, found in answers.items()}
    return Survey(**{"overrides": {}, **seen, "lists": {**lists, **seen.get("lists", {})}})


def by_topic(findings: Any) -> dict[str, Finding]:
    return {finding.topic: finding for finding in findings}
