"""Judges how Bookio refuses a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bookio_api.contract import Evidence
from bookio_api.errors import ERROR_CODES, Code
from bookio_doctor.finding import Finding, Verdict
from bookio_doctor.survey import IMPOSSIBLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_doctor.probe import Reply
    from bookio_doctor.survey import Survey

C, S, G, U = Evidence
HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict

_INVALID = (400, 422)
"""HTTP statuses, and codes of a sister API (S), for a value that is not accepted."""


def judge_errors(survey: Survey) -> Iterator[Finding]:
    """Judge what happened to an invalid filter value, and where an error has its code."""
    reply = survey.impossible
    if reply is None:
        return
    verdict, seen, meaning = _refusal(survey, reply)
    assumption = f"an invalid filter value (status={IMPOSSIBLE}) is refused"
    yield Finding("errors", assumption, G, verdict, seen, meaning)
    place = "" if reply.is_success else _place_of_code(reply.document)
    without = "" if place or reply.is_success else "errors are distinguished by their HTTP status"
    yield Finding(
        "errors: code",
        "the code is in errorCode or code, in result or beside it",
        U,
        HOLDS if place else NOT_SHOWN,
        place or ("no error came" if reply.is_success else "no code in any of these places"),
        without,
    )


def _refusal(survey: Survey, reply: Reply) -> tuple[Verdict, str, str]:
    """Return verdict, observation and meaning.

    1. Rows came: the value was ignored.
    2. No row came: it may be a filter that nothing matches.
    3. It was refused as invalid. Any other failure is not about the value.
    """
    rows = survey.reservations.rows_in(reply)
    seen = f"HTTP {reply.status}"
    if rows:
        meaning = "invalid filters are ignored: check that your own filters have an effect"
        return DIFFERS, f"{seen}, rows came", meaning
    if reply.is_success:
        return NOT_SHOWN, f"{seen}, no rows", ""
    if reply.code is not None:
        seen = f"{seen}, code {reply.code}"
    known = reply.code in ERROR_CODES
    if reply.code == Code.VALIDATION or (not known and {reply.status, reply.code} & {*_INVALID}):
        return HOLDS, seen, ""
    return NOT_SHOWN, f"{seen}, which is not about the value", ""


def _place_of_code(document: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return where an error's code is, or nothing if it is not where the client looks."""
    top = document if isinstance(document, dict) else {}
    result = top.get("result")
    for place, fields in (("result.", result if isinstance(result, dict) else {}), ("", top)):
        for name in ("errorCode", "code"):
            if str(fields.get(name)).isdecimal():
                return f"{place}{name}, as {type(fields[name]).__name__}"
    return ""
