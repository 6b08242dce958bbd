"""Judges token, permissions, paths and envelope of the lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bookio_api.contract import OPERATIONS, RESOURCES, Evidence
from bookio_doctor.finding import Finding, Verdict
from bookio_doctor.names import safe_name
from bookio_doctor.survey import IMPOSSIBLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_doctor.survey import ListSeen, Survey

C, S, G, U = Evidence
HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict


def judge_lists(survey: Survey) -> Iterator[Finding]:
    """Judge token, permissions and paths of the four lists."""
    refused = [seen for seen in survey.lists.values() if seen.is_token_refused]
    answered = [seen for seen in survey.lists.values() if seen.reply is not None]
    if refused and len(refused) == len(answered):
        yield Finding(
            "token",
            "the token is valid",
            U,
            BLOCKS,
            "every list refuses the token (code 20)",
            "check auth_token, and ask Bookio which permissions your channel has",
        )
    elif any(seen.works for seen in survey.lists.values()):
        yield Finding("token", "the token is valid", U, HOLDS, "a list accepted it")
    elif survey.unanswered:
        seen = survey.unanswered
        yield Finding("server", "it responds", C, BLOCKS, seen, "check api_url and the network")
    for resource in RESOURCES.values():
        yield judge_list(survey.lists[resource.list_operation], survey)


def judge_list(seen: ListSeen, survey: Survey) -> Finding:
    """Judge one list: where it is, and whether the token may read it."""
    operation = OPERATIONS[seen.operation]
    topic, assumption = seen.operation, f"it is {operation.method} {operation.path}"
    asked = "; ".join(f"{path}: {what}" for path, what in seen.tried)
    if seen.path == operation.path:
        return Finding(topic, assumption, operation.evidence, HOLDS, "it returns a list")
    if seen.works:
        right = f"{operation.method} {seen.path}"
        return Finding(
            topic,
            assumption,
            operation.evidence,
            DIFFERS,
            f"it is at {seen.path}",
            "set endpoint_overrides",
            overrides={seen.operation: right},
        )
    if not seen.tried:
        return Finding(topic, assumption, operation.evidence, NOT_SHOWN, survey.unanswered)
    if seen.is_forbidden and seen.operation == "list_facilities":
        return Finding(
            topic,
            assumption,
            operation.evidence,
            DIFFERS,
            f"not permitted ({asked})",
            "tap and target work without it, with default_timezone for all rows",
        )
    if seen.is_forbidden or seen.is_token_refused:
        meaning = "ask Bookio to allow your channel to use this list"
        return Finding(topic, assumption, operation.evidence, BLOCKS, f"refused ({asked})", meaning)
    return Finding(
        topic,
        assumption,
        operation.evidence,
        BLOCKS,
        f"no list at {asked}",
        "ask Bookio for the path, and set it in endpoint_overrides; or check api_url",
    )


def judge_envelope(survey: Survey) -> Iterator[Finding]:
    """Judge the envelope, the key of the rows, and the shape of an error."""
    for seen in survey.lists.values():
        expected = OPERATIONS[seen.operation]
        if seen.works and seen.operation != "list_facilities":
            same = seen.rows_key == expected.rows
            shown = safe_name(seen.rows_key) or "data itself"
            yield Finding(
                f"{seen.operation}: rows",
                f"the rows are in data.{expected.rows}",
                expected.evidence_rows,
                HOLDS if same else DIFFERS,
                f"they are in {shown}",
                "" if same else "the only list in data is used, so you need not set anything",
            )
    if (reply := survey.impossible) is None:
        return
    assumption = f"an invalid filter value (status={IMPOSSIBLE}) is refused"
    if reply.is_success:
        meaning = "invalid filters are ignored: check that your own filters have an effect"
        yield Finding("errors", assumption, G, DIFFERS, f"HTTP {reply.status}, success", meaning)
        return
    seen_as = f"HTTP {reply.status}, code {reply.code if reply.code is not None else 'not shown'}"
    yield Finding("errors", assumption, G, HOLDS, seen_as)
    place = _place_of_code(reply.document)
    yield Finding(
        "errors: code",
        "the code is in errorCode or code, in result or beside it",
        U,
        HOLDS if place else NOT_SHOWN,
        place or "no code in any of these places",
        "" if place else "errors are then distinguished by their HTTP status",
    )


def _place_of_code(document: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return where an error's code is, or nothing if it is not where the client looks."""
    top = document if isinstance(document, dict) else {}
    result = top.get("result")
    for place, fields in (("result.", result if isinstance(result, dict) else {}), ("", top)):
        for name in ("errorCode", "code"):
            if str(fields.get(name)).isdecimal():
                return f"{place}{name}, as {type(fields[name]).__name__}"
    return ""
