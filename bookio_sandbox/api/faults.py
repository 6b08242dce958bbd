"""Lost, late and broken responses: random (``--faults``) or scripted (``/_sandbox/script``).

``--faults`` takes ``kind=probability``, separated by commas; `FAULTS` lists the kinds. Each request
to one of Bookio's paths draws once, from the seed. "after" means that the request is carried out
before its answer is lost, "before" that it is not.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import random

    from starlette.types import Receive, Scope, Send

TRANSPORT = "bookio_sandbox"
"""Name of the ASGI extension that holds the connection."""

_CHUNKS = 20


class Twist(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What happens to one response.

    Without ``status``, ``body``, ``code`` and ``drop`` the real answer is sent, perhaps late,
    slowly, or cut short.
    """

    status: int | None = None
    headers: dict[str, str] = {}
    body: str | None = None
    body_base64: bytes | None = None
    code: int | None = None
    """Answer with this error code, in an envelope."""
    drop: Literal["reset", "close", "hang"] | None = None
    """No answer: RST, FIN, or silence until the client gives up."""
    apply: bool | None = None
    """Whether the request is carried out; by default only if its real answer is sent."""
    lands_after: Annotated[float, Meta(ge=0)] = 0
    """Seconds after which the request is carried out, without a response."""
    delay: float = 0
    """Seconds before the answer."""
    spread: float = 0
    """Seconds over which the body trickles."""
    keep: Annotated[float, Meta(ge=0, le=1)] = 1
    """Fraction of the body that is sent before the connection closes."""
    times: Annotated[int, Meta(ge=1)] = 1
    """How many requests a scripted twist applies to."""

    @property
    def replaces(self) -> bool:
        """Whether something other than the real response is sent."""
        answers = (self.status, self.body, self.body_base64, self.code, self.drop)
        return any(value is not None for value in answers)

    @property
    def applies(self) -> bool:
        """Whether the request is carried out."""
        if self.lands_after:
            return False
        return not self.replaces if self.apply is None else self.apply


_PAGE = "<!doctype html><title>Bookio</title><h1>Prebieha údržba</h1>"
_HTML = {"content-type": "text/html; charset=utf-8"}

FAULTS = {
    "reset-before": Twist(drop="reset"),
    "reset-after": Twist(drop="reset", apply=True),
    "close-before": Twist(drop="close"),
    "close-after": Twist(drop="close", apply=True),
    "timeout-before": Twist(drop="hang"),
    "timeout-after": Twist(drop="hang", apply=True),
    "500-before": Twist(status=500, body="Internal Server Error"),
    "500-after": Twist(status=500, body="Internal Server Error", apply=True),
    "503": Twist(status=503, body=_PAGE, headers=_HTML),
    "429": Twist(status=429, body="Too Many Requests"),
    "429-wait": Twist(status=429, body="Too Many Requests", headers={"retry-after": "1"}),
    "666": Twist(code=666),
    "666-after": Twist(code=666, apply=True),
    "html": Twist(status=200, body=_PAGE, headers=_HTML),
    "empty": Twist(status=200, body="", apply=True),
    "truncate": Twist(keep=0.5),
    "slow-body": Twist(spread=0.5),
}


def parse_faults(text: str) -> dict[str, float]:
    """Parse ``reset-after=0.1,429=0.05``. ``ValueError`` has a one-line message."""
    chances: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        kind, _, probability = part.partition("=")
        if kind not in FAULTS:
            msg = f"faults has no kind {kind!r}; use one of {', '.join(FAULTS)}"
            raise ValueError(msg)
        try:
            chances[kind] = float(probability)
        except ValueError:
            chances[kind] = -1
        if not 0 <= chances[kind] <= 1:
            msg = f"faults takes a probability from 0 to 1, not {part!r}"
            raise ValueError(msg)
    if sum(chances.values()) > 1:
        msg = "the probabilities of faults add up to more than 1"
        raise ValueError(msg)
    return chances


class Script:
    """Twists that a test has queued, by operation."""

    def __init__(self) -> None:
        """Start with empty queues."""
        self._queues: dict[str, deque[Twist]] = {}

    def add(self, operation: str, twists: list[Twist]) -> None:
        """Queue twists for the next requests of an operation (``*``: of any)."""
        queue = self._queues.setdefault(operation, deque())
        for twist in twists:
            queue.extend([twist] * twist.times)

    def clear(self) -> None:
        """Drop all that are still queued."""
        self._queues.clear()

    def next(self, operation: str) -> Twist | None:
        """Take the next twist of an operation."""
        for name in (operation, "*"):
            if queue := self._queues.get(name):
                return queue.popleft()
        return None


def draw(chances: dict[str, float], rng: random.Random) -> str | None:
    """Draw the fault of a request, or none."""
    if not chances:
        return None
    drawn = rng.choices([*chances, None], [*chances.values(), 1 - sum(chances.values())])
    return drawn[0]


class TwistedResponse(Response):
    """Sends an answer the way its twist says."""

    def __init__(self, twist: Twist, answer: Response) -> None:
        """Twist ``answer``, which is the real one or an error."""
        body = twist.body_base64
        if body is None:
            body = bytes(answer.body) if twist.body is None else twist.body.encode()
        super().__init__(body, twist.status or answer.status_code, media_type=answer.media_type)
        self.headers.update(twist.headers)
        self._twist = twist

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, or part of it."""
        await asyncio.sleep(self._twist.delay)
        if self._twist.drop:
            await _hang_up(self._twist.drop, scope, receive)
            return
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        body = bytes(self.body)[: int(len(self.body) * self._twist.keep)]
        step = -(-len(body) // _CHUNKS) if self._twist.spread else len(body)
        for start in range(0, len(body), step or 1):
            await asyncio.sleep(self._twist.spread / _CHUNKS)
            chunk = body[start : start + step]
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if len(body) < len(self.body):
            await _hang_up("close", scope, receive)
        else:
            await send({"type": "http.response.body", "body": b""})


async def _hang_up(how: str, scope: Scope, receive: Receive) -> None:
    transport: asyncio.Transport = scope["extensions"][TRANSPORT]["transport"]
    if how == "reset":
        linger = struct.pack("ii", 1, 0)  # on, for 0 seconds: close with RST instead of FIN
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    elif how == "close":
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with the connection in the scope so that faults can cut it."""

    def on_message_begin(self) -> None:
        """Add the connection to the scope of a new request."""
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}
