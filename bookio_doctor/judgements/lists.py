"""Judges token, permissions, paths and envelope of the lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bookio_api.contract import RESOURCES, Evidence
from bookio_api.errors import ContractError
from bookio_api.responses import MIN_FAILURE, MIN_REDIRECT
from bookio_doctor.answers import ROWS
from bookio_doctor.finding import Finding, Verdict
from bookio_doctor.names import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_doctor.answers import Answer, Outline
    from bookio_doctor.observations import ListSeen, Survey

C, S, G, U = Evidence
HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict

_TELL_US = "tap and target cannot read this: please send the report to the maintainers"


def judge_lists(survey: Survey) -> Iterator[Finding]:
    """Judge token, permissions and paths of the four lists."""
    lists = [survey.lists[resource.list_operation] for resource in RESOURCES.values()]
    first = lists[0].answer
    if survey.is_token_refused:
        shown = f"every list that answers refuses the token ({_summary(first)})"
        yield Finding("token", "the token is valid", U, BLOCKS, shown, first.advice)
    elif any(seen.works for seen in lists):
        yield Finding("token", "the token is valid", U, HOLDS, "a list accepted it")
    elif all(seen.answer.is_unanswered for seen in lists):
        yield Finding("server", "it responds", C, BLOCKS, first.said, first.advice)
    for seen in lists:
        yield judge_list(seen, survey)


def judge_list(seen: ListSeen, survey: Survey) -> Finding:
    """Judge one list: where it is, and whether tap and target can read it."""
    configured = seen.configured
    assumption = f"it is {configured.method} {configured.path}"
    evidence = configured.evidence
    if seen.operation in survey.overrides:
        assumption, evidence = f"{assumption}, as endpoint_overrides says", U
    overrides = {}
    if seen.works and not seen.is_as_configured:
        overrides = {**survey.right_overrides, seen.operation: f"GET {seen.path}"}
    verdict, shown, meaning = _judge(seen, survey)
    return Finding(
        seen.operation, assumption, evidence, verdict, shown, meaning, overrides=overrides
    )


def _judge(seen: ListSeen, survey: Survey) -> tuple[Verdict, str, str]:
    """Return verdict, observation and meaning of a list."""
    if not seen.works:
        return _judge_unread(seen, survey)
    verb = "correct" if seen.operation in survey.overrides else "set"
    if seen.is_as_configured:
        return HOLDS, "it returns a list", ""
    if seen.configured.method == "GET":
        return DIFFERS, f"it is at {seen.path}", f"{verb} endpoint_overrides"
    shown = f"GET {seen.path} returns it; {_not_sent(seen)}"
    return DIFFERS, shown, f"{verb} endpoint_overrides"


def _judge_unread(seen: ListSeen, survey: Survey) -> tuple[Verdict, str, str]:
    """Return verdict, observation and meaning of a list that cannot be read.

    1. The settings say POST, which is never sent.
    2. It is there, but a row has no usable id.
    3. It is there, but the token may not read it, or the request lacks something.
    4. No usable response came.
    5. A response came that has rows where the client does not look.
    6. No path leads to a list.
    """
    answer = seen.answer
    tried = "; ".join(f"{a.operation.path}: {_summary(a)}" for a in seen.answers)
    if seen.configured.method != "GET":
        meaning = "set a path for GET in endpoint_overrides, or try it with tap-bookio itself"
        return BLOCKS, f"{_not_sent(seen)} ({tried})", meaning
    if answer.has_list:
        return BLOCKS, answer.said, answer.advice
    if answer.is_refused and not answer.may_be_elsewhere:
        return _judge_refused(seen, survey, tried)
    if answer.is_unanswered:
        return BLOCKS, f"not read: {answer.said}", answer.advice or "run the doctor again"
    places = _lists_elsewhere(answer)
    if places:
        return BLOCKS, f"its rows are not in data.{seen.configured.rows}: {places}", _TELL_US
    meaning = "ask Bookio for the path, and set it in endpoint_overrides; or check api_url"
    return BLOCKS, f"no list at {tried}", meaning


def _judge_refused(seen: ListSeen, survey: Survey, tried: str) -> tuple[Verdict, str, str]:
    """Without the facilities, tap and target still work."""
    if not seen.is_forbidden:
        return BLOCKS, f"refused ({tried})", "ask Bookio which parameters this list needs"
    if seen is survey.facilities and not survey.is_token_refused:
        meaning = "tap and target work without it, with default_timezone for all rows"
        return DIFFERS, f"not permitted ({tried})", meaning
    return BLOCKS, f"refused ({tried})", "ask Bookio to allow your channel to use this list"


def _not_sent(seen: ListSeen) -> str:
    configured = seen.configured
    return f"{configured.method} {configured.path} was not sent, as the doctor only sends GET"


def judge_envelope(survey: Survey) -> Iterator[Finding]:
    """Judge the envelope, and the key of the rows."""
    yield from _judge_envelope(survey)
    for seen in survey.lists.values():
        expected = seen.configured
        if seen.works:
            same = seen.answer.rows_key == expected.rows
            shown = safe_name(seen.answer.rows_key) or "data itself"
            yield Finding(
                f"{seen.operation}: rows",
                f"the rows are in data.{expected.rows}",
                expected.evidence_rows,
                HOLDS if same else DIFFERS,
                f"they are in {shown}",
                "" if same else "the only list in data is used, so you need not set anything",
            )


def _judge_envelope(survey: Survey) -> Iterator[Finding]:
    """Judge whether lists come as the client expects, or in another form that it reads."""
    assumption = "responses are {result: {success, data}}"
    forms: set[str] = set()
    for seen in survey.lists.values():
        places = _lists_elsewhere(seen.answer)
        if places and not seen.works:
            shown = f"{seen.operation} has its rows in {places}"
            yield Finding("envelope", assumption, C, BLOCKS, shown, _TELL_US)
            return
        if seen.works and seen.answer.reply is not None:
            forms.add(_form_of(seen.answer.reply.outline))
    others = ", ".join(sorted(forms - {""}))
    if forms:
        verdict = DIFFERS if others else HOLDS
        meaning = "tap and target read it all the same" if others else ""
        yield Finding("envelope", assumption, C, verdict, others or "they are", meaning)


def judge_survey(survey: Survey) -> Iterator[Finding]:
    """Judge whether every question got an answer; otherwise much may be unknown."""
    if survey.unanswered or survey.ended:
        reasons = dict.fromkeys([*survey.unanswered, survey.ended])
        yield Finding(
            "survey",
            "every question gets an answer",
            U,
            DIFFERS,
            "; ".join(filter(None, reasons)),
            "what depends on it is not shown; run the doctor again",
        )


def _summary(answer: Answer) -> str:
    """Return what came from one path, in a few words."""
    if answer.has_list:
        return "a list"
    if answer.reply is None:
        return answer.said
    parts = [f"HTTP {answer.reply.status}"]
    if answer.error is not None and answer.error.code is not None:
        parts.append(f"code {answer.error.code}")
    if MIN_REDIRECT <= answer.reply.status < MIN_FAILURE:
        parts.append("a redirect")
    elif isinstance(answer.reply.outline, str):
        parts.append(answer.reply.outline)
    elif answer.reply.status < MIN_FAILURE and len(parts) == 1:
        parts.append("no list")
    return ", ".join(parts)


def _form_of(outline: Outline) -> str:
    """Return how an envelope that the client reads differs, or nothing if it does not."""
    result = outline.get("result") if isinstance(outline, dict) else None
    if not isinstance(result, dict):
        return "there is no result"
    if "success" not in result:
        return "there is no success"
    return "" if result["success"] == "boolean" else f"success is a {result['success']}"


def _lists_elsewhere(answer: Answer) -> str:
    """Return where a successful response that the client cannot read has lists of objects."""
    reply = answer.reply
    if reply is None or reply.status >= MIN_FAILURE or not isinstance(answer.error, ContractError):
        return ""
    return ", ".join(_places(reply.outline, ())) if not answer.has_list else ""


def _places(outline: Outline, path: tuple[str, ...]) -> Iterator[str]:
    if outline == ROWS:
        yield ".".join(path) or "the document itself"
    elif isinstance(outline, dict):
        for name, inner in outline.items():
            if name != "errors":
                yield from _places(inner, (*path, safe_name(name) or "(a name that is not shown)"))
