"""Judges how Bookio refuses a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bookio_api.contract import Evidence
from bookio_api.errors import ERROR_CODES, Code
from bookio_doctor.finding import Finding, Verdict
from bookio_doctor.names import safe_name
from bookio_doctor.survey import IMPOSSIBLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_doctor.answers import Answer, Outline
    from bookio_doctor.observations import Survey

C, S, G, U = Evidence
HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict

_INVALID = (400, 422)
"""HTTP statuses, and codes of a sister API (S), for a value that is not accepted."""


def judge_errors(survey: Survey) -> Iterator[Finding]:
    """Judge what happened to an invalid filter value, and where an error has its code."""
    answer = survey.impossible
    if answer is None:
        return
    verdict, seen, meaning = _refusal(answer)
    assumption = f"an invalid filter value (status={IMPOSSIBLE}) is refused"
    yield Finding("errors", assumption, G, verdict, seen, meaning)
    code = answer.error.code if answer.error else None
    outline = answer.reply.outline if answer.reply else None
    if answer.is_refused and code is not None:
        verdict, seen, meaning = HOLDS, _place_of_code(outline), ""
    elif answer.is_refused:
        meaning = "errors are distinguished by their HTTP status"
        verdict, seen = NOT_SHOWN, f"no code in any of these places, only {_shape(outline)}"
    else:
        verdict, seen, meaning = NOT_SHOWN, "nothing was refused", ""
    assumption = "the code is in errorCode or code, in result or beside it"
    yield Finding("errors: code", assumption, U, verdict, seen, meaning)


def _refusal(answer: Answer) -> tuple[Verdict, str, str]:
    """Return verdict, observation and meaning.

    1. Rows came: the value was ignored.
    2. No row came: it may be a filter that nothing matches.
    3. It was refused as invalid. Any other failure is not about the value.
    """
    if answer.reply is None or answer.is_unanswered:
        return NOT_SHOWN, answer.said, ""
    seen, error = f"HTTP {answer.reply.status}", answer.error
    if answer.rows:
        meaning = "invalid filters are ignored: check that your own filters have an effect"
        return DIFFERS, f"{seen}, rows came", meaning
    if error is None:
        return NOT_SHOWN, f"{seen}, no rows", ""
    if error.code is not None:
        seen = f"{seen}, code {error.code}"
    known = error.code in ERROR_CODES
    if error.code == Code.VALIDATION or (not known and {error.status, error.code} & {*_INVALID}):
        return HOLDS, seen, ""
    return NOT_SHOWN, f"{seen}, which is not about the value", ""


def _place_of_code(outline: Outline) -> str:
    """Return where the client found the code of an error."""
    top = outline if isinstance(outline, dict) else {}
    result = top.get("result")
    for place, fields in (("result.", result if isinstance(result, dict) else {}), ("", top)):
        for name in ("errorCode", "code"):
            if isinstance(fields.get(name), str):
                return f"{place}{name}, as {fields[name]}"
    return "in its usual place"


def _shape(outline: Outline) -> str:
    """Return the names in a body, without their types and values."""
    if not isinstance(outline, dict):
        return str(outline)
    names = (
        f"{safe_name(name) or '…'}{f': {_shape(inner)}' if isinstance(inner, dict) else ''}"
        for name, inner in outline.items()
    )
    return f"{{{', '.join(names)}}}"
