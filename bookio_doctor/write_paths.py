"""Checks whether the paths for writing exist, with requests that cannot change anything.

Each has an id that cannot exist, or an empty body, so that the most a server can do is refuse it.
What it says of a path that surely does not exist comes first, because some servers, and gateways
in front of them, say the same of every path.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from bookio_api.contract import OPERATIONS, Evidence, Operation
from bookio_api.errors import (
    AuthError,
    OutcomeUnknownError,
    PermissionDeniedError,
    UnknownPathError,
)
from bookio_api.overrides import with_overrides
from bookio_api.responses import MIN_SERVER_FAILURE
from bookio_doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bookio_api.errors import BookioError
    from bookio_doctor.answers import Answer
    from bookio_doctor.probe import Probe

IMPOSSIBLE_ID = 2**63 - 1
"""The largest int64: ids are counted up, so no row has it."""
CONTROL, CONTROL_PATH = "control", "/no-such-path"
METHOD_NOT_ALLOWED = 405


class WriteProbe(NamedTuple):
    """One request of ``--probe-writes``."""

    operation: Operation
    path: str

    def __str__(self) -> str:
        """Return what will be sent, for a person to agree to."""
        body = "no body" if self.operation.method == "DELETE" else "body {}"
        return f"{self.operation.method} {self.path}  ({self.operation.name}, {body})"


def write_probes(overrides: Mapping[str, str]) -> list[WriteProbe]:
    """Return a request for each write, after a control request for each of their methods."""
    writes = [op for op in with_overrides(overrides).values() if not op.retry_safe]
    controls = [
        Operation(CONTROL, method, CONTROL_PATH, Evidence.GUESS, "A path that does not exist")
        for method in dict.fromkeys(operation.method for operation in writes)
    ]
    return [
        WriteProbe(op, op.path.format_map(dict.fromkeys(op.path_parameters, IMPOSSIBLE_ID)))
        for op in controls + writes
    ]


def send_write_probes(probe: Probe, requests: list[WriteProbe]) -> Iterator[Finding]:
    """Send them, and yield a finding for each write. Stop at once if a request succeeds."""
    controls: dict[str, Answer] = {}
    for operation, path in requests:
        answer = probe.write(replace(operation, path=path))
        if operation.name == CONTROL:
            controls[operation.method] = answer
            assumption = "a path that does not exist is refused"
        else:
            right = OPERATIONS[operation.name]
            assumption = f"it is {right.method} {right.path}"
        takes_id = bool(operation.path_parameters)
        verdict, meaning = _judge(answer, controls[operation.method], takes_id=takes_id)
        if operation.name != CONTROL or answer.error is None:
            shown = _shown(answer)
            yield Finding(operation.name, assumption, operation.evidence, verdict, shown, meaning)
        if answer.error is None:
            return


def _judge(answer: Answer, control: Answer, *, takes_id: bool) -> tuple[Verdict, str]:
    """Tell an unknown path from a known one, and say what follows.

    1. It succeeded: the server accepts an invalid request. Stop, and say so.
    2. No usable response came, for this request or the control.
    3. It looks like an unknown path.
    4. The control got the same response, so it says nothing about the path.
    5. Any other refusal comes from a path that exists.
    """
    error = answer.error
    if error is None:
        return Verdict.BLOCKS, "it accepts an empty request: stop probing, and tell the maintainers"
    if answer.is_unanswered or isinstance(error, OutcomeUnknownError):
        return Verdict.NOT_SHOWN, "it is inconclusive; run the doctor again later"
    if control.is_unanswered or _status_of(control) >= MIN_SERVER_FAILURE:
        return Verdict.NOT_SHOWN, "what a path that does not exist gets is not known"
    same = (error.status, error.code) == _look(control)
    if isinstance(error, UnknownPathError):
        return _judge_unknown(error, same=same, takes_id=takes_id)
    if same:
        return Verdict.NOT_SHOWN, "a path that does not exist gets the same response"
    if isinstance(error, AuthError | PermissionDeniedError):
        meaning = "the path exists, but the token may not use it: ask Bookio"
    else:
        meaning = "the path exists: the request was refused, as expected"
    return Verdict.HOLDS, meaning


def _judge_unknown(error: BookioError, *, same: bool, takes_id: bool) -> tuple[Verdict, str]:
    """Judge a 404 or 405, which may also be about the row: its id does not exist.

    Bookio has another code for a row (C), so its code 404 is about the path, if the control got
    it, too.
    """
    is_about_path = error.status == METHOD_NOT_ALLOWED or (same and error.code is not None)
    if is_about_path or not takes_id:
        return Verdict.DIFFERS, "ask Bookio for the path, and set it in endpoint_overrides"
    return Verdict.NOT_SHOWN, "it may be about the path, or about the id, which does not exist"


def _status_of(answer: Answer) -> int:
    """Return the HTTP status; without a response, one that means as little."""
    return answer.reply.status if answer.reply else MIN_SERVER_FAILURE


def _look(answer: Answer) -> tuple[int | None, int | None]:
    return (answer.error.status, answer.error.code) if answer.error else (None, None)


def _shown(answer: Answer) -> str:
    if answer.reply is None:
        return answer.said
    code = answer.error.code if answer.error else None
    return f"HTTP {answer.reply.status}" + (f", code {code}" if code is not None else "")
