"""``/_sandbox/``: how a demo or a test controls the sandbox. JSON in, JSON out, no token."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from bookio_api.contract import OPERATIONS
from bookio_sandbox.api.faults import Twist  # noqa: TC001 - msgspec reads the annotations
from bookio_sandbox.api.openapi import openapi
from bookio_sandbox.world.life import Change, Hook
from bookio_sandbox.world.store import STREAMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from bookio_sandbox.api.app import Bookio


class ScriptBody(msgspec.Struct, forbid_unknown_fields=True):
    """Twists for the next requests of an operation (``*``: of any)."""

    operation: str
    answers: list[Twist]


class ClockBody(msgspec.Struct, forbid_unknown_fields=True):
    """How to move the clock."""

    advance_seconds: float = 0
    advance_days: int = 0
    """Days with their bookings, cancellations, moves, no-shows and removed blocked times."""
    set: datetime | None = None
    ticks: bool | None = None
    """False stops the clock, so that two runs see the same time; true restarts it."""


def control_routes(bookio: Bookio) -> list[Route]:
    """Return the routes below ``/_sandbox``."""
    control = _Control(bookio)
    handlers: dict[tuple[str, str], Callable[..., Any]] = {
        ("GET", "/"): control.summary,
        ("GET", "/clock"): control.clock,
        ("POST", "/clock"): control.move_clock,
        ("GET", "/settings"): control.settings,
        ("POST", "/settings"): control.change_settings,
        ("GET", "/rows/{stream}"): control.rows,
        ("POST", "/rows"): control.change_rows,
        ("GET", "/requests"): control.requests,
        ("DELETE", "/requests"): control.forget_requests,
        ("GET", "/emails"): control.emails,
        ("DELETE", "/emails"): control.forget_emails,
        ("POST", "/script"): control.script,
        ("DELETE", "/script"): control.forget_script,
        ("POST", "/hooks"): control.hook,
        ("DELETE", "/hooks"): control.forget_hooks,
        ("GET", "/openapi.json"): control.openapi,
    }
    return [
        Route(path, _endpoint(handler), methods=[method])
        for (method, path), handler in handlers.items()
    ]


class _Control:
    def __init__(self, bookio: Bookio) -> None:
        self._bookio = bookio

    def summary(self) -> dict[str, Any]:
        return {
            "seed": self._bookio.seed,
            "counts": self._bookio.store.counts(),
            **self.clock(),
            "settings": self._bookio.behaviour,
        }

    def clock(self) -> dict[str, Any]:
        now = self._bookio.clock.now()
        return {"now": now.isoformat(), "now_ms": self._bookio.clock.now_ms()}

    def move_clock(self, body: bytes) -> dict[str, Any]:
        wanted = msgspec.json.decode(body, type=ClockBody)
        clock = self._bookio.clock
        if wanted.set is not None:
            clock.set(wanted.set)
        if wanted.ticks is not None:
            clock.tick(ticks=wanted.ticks)
        clock.advance(wanted.advance_seconds)
        changes = self._bookio.life.days(wanted.advance_days)
        self._bookio.store.remember("now_ms", clock.now_ms())
        return self.clock() | {"changes": changes}

    def settings(self) -> object:
        return self._bookio.behaviour

    def change_settings(self, body: bytes) -> object:
        changes = msgspec.json.decode(body, type=dict[str, Any])
        self._bookio.behave(self._bookio.behaviour.changed(changes))
        return self._bookio.behaviour

    def rows(self, stream: str) -> list[dict[str, Any]]:
        return [
            stored.row | {"_modified": stored.modified, "_unsynced": stored.unsynced}
            for stored in self._bookio.store.rows(_checked_stream(stream))
        ]

    def change_rows(self, body: bytes) -> list[int | None]:
        changes = msgspec.json.decode(body, type=list[Change])
        for change in changes:
            _checked_stream(change.stream)
        return [self._bookio.life.apply(change) for change in changes]

    def requests(self) -> list[dict[str, Any]]:
        return list(self._bookio.requests)

    def forget_requests(self) -> None:
        self._bookio.requests.clear()

    def emails(self) -> list[dict[str, Any]]:
        return self._bookio.store.emails()

    def forget_emails(self) -> None:
        self._bookio.store.clear_emails()

    def script(self, body: bytes) -> None:
        wanted = msgspec.json.decode(body, type=ScriptBody)
        if wanted.operation != "*":
            _checked_operation(wanted.operation)
        self._bookio.script.add(wanted.operation, wanted.answers)

    def forget_script(self) -> None:
        self._bookio.script.clear()

    def hook(self, body: bytes) -> None:
        hook = msgspec.json.decode(body, type=Hook)
        _checked_operation(hook.operation)
        for change in hook.changes:
            _checked_stream(change.stream)
        self._bookio.life.add(hook)

    def forget_hooks(self) -> None:
        self._bookio.life.hooks.clear()

    def openapi(self) -> dict[str, Any]:
        return openapi()


def _endpoint(handler: Callable[..., Any]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        body = [await request.body()] if request.method == "POST" else []
        try:
            answer = handler(*body, **request.path_params)
        except (ValueError, KeyError, OverflowError, sqlite3.Error) as error:
            content, status = msgspec.json.encode({"error": str(error)}), 400
        else:
            content, status = msgspec.json.encode(answer), 200
        return Response(content, status, media_type="application/json")

    return endpoint


def _checked_stream(name: str) -> str:
    if name not in STREAMS:
        msg = f"there is no stream {name!r}; use one of {', '.join(STREAMS)}"
        raise ValueError(msg)
    return name


def _checked_operation(name: str) -> str:
    if name not in OPERATIONS:
        msg = f"there is no operation {name!r}; use one of {', '.join(OPERATIONS)}"
        raise ValueError(msg)
    return name
