"""Judges token, permissions, paths and envelope of the lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bookio_api.contract import OPERATIONS, RESOURCES, Evidence
from bookio_doctor.finding import Finding, Verdict
from bookio_doctor.names import safe_name

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
    """Judge under which key the rows are."""
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
