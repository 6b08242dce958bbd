"""Checks whether the paths for writing exist, with requests that cannot change anything.

Each has an id that cannot exist, or an empty body, so that the most a server can do is
refuse it. An unknown path and a refused request differ in code or status (G).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bookio_api.contract import OPERATIONS
from bookio_api.errors import Code
from bookio_api.overrides import with_overrides
from bookio_doctor.finding import Finding, Verdict
from bookio_doctor.probe import UnansweredError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bookio_api.contract import Operation
    from bookio_doctor.probe import Probe, Reply

IMPOSSIBLE_ID = 2**63 - 1
"""The largest int64: ids are counted up, so no row has it."""


class WriteProbe(NamedTuple):
    """One request of ``--probe-writes``."""

    operation: Operation
    path: str

    def __str__(self) -> str:
        """Return what will be sent, for a person to agree to."""
        body = "no body" if self.operation.method == "DELETE" else "body {}"
        return f"{self.operation.method} {self.path}  ({self.operation.name}, {body})"


def write_probes(overrides: Mapping[str, str]) -> list[WriteProbe]:
    """Return a request for each write."""
    return [
        WriteProbe(
            operation,
            operation.path.format_map(dict.fromkeys(operation.path_parameters, IMPOSSIBLE_ID)),
        )
        for operation in with_overrides(overrides).values()
        if not operation.retry_safe
    ]


def send_write_probes(probe: Probe, requests: list[WriteProbe]) -> Iterator[Finding]:
    """Send them, and yield a finding for each. Stop at once if a request succeeds."""
    for request in requests:
        operation = request.operation
        assumption = f"it is {operation.method} {OPERATIONS[operation.name].path}"
        try:
            body: dict[str, object] | None = None if operation.method == "DELETE" else {}
            reply = probe.send(operation.method, request.path, body=body)
        except UnansweredError as error:
            yield Finding(
                operation.name, assumption, operation.evidence, Verdict.NOT_SHOWN, str(error)
            )
            continue
        verdict, seen, meaning = _judge(reply)
        yield Finding(operation.name, assumption, operation.evidence, verdict, seen, meaning)
        if reply.is_success:
            return


def _judge(reply: Reply) -> tuple[Verdict, str, str]:
    """Tell an unknown path from a known one.

    1. It succeeded: the server accepts an invalid request. Stop, and say so.
    2. Bookio's code tells: 404 is an unknown path, any other is a refusal by a known one.
    3. There is no code: the HTTP status decides.
    """
    shown = f"HTTP {reply.status}" + (f", code {reply.code}" if reply.code is not None else "")
    if reply.is_success:
        meaning = "it accepts an empty request: stop probing, and tell the maintainers"
        return Verdict.BLOCKS, shown, meaning
    unknown = "ask Bookio for the path, and set it in endpoint_overrides"
    if reply.code is not None:
        if reply.code == Code.UNKNOWN_PATH:
            return Verdict.DIFFERS, shown, unknown
        return Verdict.HOLDS, shown, "the path exists: the request was refused, as expected"
    if reply.status in {404, 405}:
        return Verdict.DIFFERS, shown, unknown
    if reply.status in {400, 401, 403, 409, 422}:
        return Verdict.HOLDS, shown, "the path exists: the request was refused, as expected"
    return Verdict.NOT_SHOWN, shown, "this status is inconclusive"
