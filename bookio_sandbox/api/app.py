"""Bookio's paths: checks the token, responds in the envelope, and applies the behaviour."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route

from bookio_api.contract import FACILITIES, OPERATIONS, PRODUCTION_URL
from bookio_api.errors import Code
from bookio_sandbox.api.errors import HTTP_STATUS, Refusal
from bookio_sandbox.api.faults import FAULTS, Script, Twist, TwistedResponse, draw, parse_faults
from bookio_sandbox.api.lists import Lists
from bookio_sandbox.api.variants import Shape, shape_error, shape_list
from bookio_sandbox.api.writes import Writes
from bookio_sandbox.world.life import Life
from bookio_sandbox.world.replica import Replica
from bookio_sandbox.world.services import Services

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from bookio_api.contract import Operation
    from bookio_sandbox.api.behaviour import Behaviour
    from bookio_sandbox.world.clock import Clock
    from bookio_sandbox.world.store import Store

BASE_PATH = urlsplit(PRODUCTION_URL).path
LOGGED_REQUESTS = 100_000
DEFAULT_SHAPE = Shape()


class Bookio:
    """The whole sandbox: a world, a clock, a behaviour, and the log of requests."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        behaviour: Behaviour,
        *,
        token: str,
        seed: int,
        operations: Mapping[str, Operation] = OPERATIONS,
        shape: Shape = DEFAULT_SHAPE,
    ) -> None:
        """Serve ``store`` at the paths of ``operations`` to requests with ``token``."""
        self.operations = operations
        self._shape = shape
        self.store = store
        self.clock = clock
        self.seed = seed
        self.script = Script()
        self.requests: deque[dict[str, Any]] = deque(maxlen=LOGGED_REQUESTS)
        services = Services(store)
        self._zones = {f.row["id"]: ZoneInfo(f.row["timeZone"]) for f in store.rows(FACILITIES)}
        self.life = Life(store, clock, services, seed)
        self._writes = Writes(store, clock, services)
        self._lists = Lists(random.Random(f"lists {seed}"), self._writes.numbered)
        self._replica: Replica | None = None
        """Created when lists begin to lag; it follows the store from then on."""
        self._faults = random.Random(f"faults {seed}")
        self._authorization = f"Bearer {token}"
        self.behave(behaviour)

    def behave(self, behaviour: Behaviour) -> None:
        """Apply this behaviour from now on."""
        self.behaviour = behaviour
        self._chances = parse_faults(behaviour.faults)
        if behaviour.list_lag and self._replica is None:
            self._replica = Replica(self.store, self.clock)

    async def answer(self, operation: Operation, request: Request) -> Response:
        """Answer one request to one of Bookio's paths."""
        entry = self._log(operation.name, request)
        body = await request.body()
        twist = self.script.next(operation.name)
        if twist is None:
            fault = draw(self._chances, self._faults)
            twist = FAULTS[fault] if fault else None
            entry["fault"] = fault
        else:
            entry["fault"] = "script"
        if self.behaviour.latency_ms:
            await asyncio.sleep(self.behaviour.latency_ms / 1000)
        entry["applied"] = twist is None or twist.applies
        response = Response()
        if entry["applied"]:
            response = self._true_answer(operation, request, body, entry)
        if twist is not None and twist.lands_after:
            late = dict(entry)  # its response is discarded
            asyncio.get_running_loop().call_later(
                twist.lands_after, self._true_answer, operation, request, body, late
            )
        if twist is not None:
            response = self._twisted(twist, response)
            entry["status"] = None if twist.drop else response.status_code
        return response

    def _log(self, operation: str | None, request: Request) -> dict[str, Any]:
        entry = {
            "operation": operation,
            "method": request.method,
            "path": request.scope["path"],
            "query": dict(request.query_params),
            "authorized": request.headers.get("authorization") == self._authorization,
            "at": self.clock.now_ms(),
            "code": None,
        }
        self.requests.append(entry)
        return entry

    def _true_answer(
        self, operation: Operation, request: Request, body: bytes, entry: dict[str, Any]
    ) -> Response:
        try:
            self._admit(operation, entry["authorized"])
            if operation.rows:
                self.life.before_list(operation.name)
                store = self._listed_store()
                data = self._lists.answer(store, operation, entry["query"], self.behaviour)
                data = shape_list(self._shape, operation.name, operation.rows, data, self._zones)
            else:
                data = self._writes.answer(
                    operation.name, request.path_params, body, self.behaviour
                )
        except Refusal as refusal:
            entry["code"] = refusal.code
            response = self.refused(refusal)
        else:
            content = b'{"result":{"success":true,"data":%s}}' % data
            response = Response(content, media_type="application/json")
        entry["status"] = response.status_code
        return response

    def _listed_store(self) -> Store:
        """Return the store that lists show: the current one, or one that lags."""
        if not self.behaviour.list_lag:
            return self.store
        assert self._replica is not None, "a behaviour with a lag makes one"
        return self._replica.as_of(self.behaviour.list_lag)

    def _admit(self, operation: Operation, authorized: bool) -> None:  # noqa: FBT001
        if not authorized:
            raise Refusal(Code.BAD_TOKEN, "the token is not valid")
        if operation.name in self.behaviour.forbid:
            raise Refusal(Code.FORBIDDEN, "the token may not use this endpoint")

    def refused(self, refusal: Refusal, status: int | None = None) -> Response:
        """Return the envelope of an error, with the HTTP status of the error style."""
        result = {
            "success": False,
            "errorCode": refusal.code,
            "errors": refusal.errors,
            "data": None,
        }
        styles = {"200": 200, "400": 400, "status": HTTP_STATUS.get(refusal.code, 400)}
        return Response(
            msgspec.json.encode(shape_error(self._shape, {"result": result})),
            status or styles[self.behaviour.error_style],
            media_type="application/json",
        )

    def _twisted(self, twist: Twist, response: Response) -> Response:
        if twist.code is not None:
            response = self.refused(Refusal(twist.code, f"error {twist.code}"))
        return TwistedResponse(twist, response)

    async def unknown_path(self, request: Request, error: Exception) -> Response:
        """Answer a request for an unknown path or method."""
        http = cast("HTTPException", error)
        self._log(None, request)["status"] = http.status_code
        response = self.refused(Refusal(Code.UNKNOWN_PATH, http.detail), http.status_code)
        response.headers.update(http.headers or {})
        return response


def build_app(bookio: Bookio, control: Sequence[Route]) -> ASGIApp:
    """Return the ASGI app: Bookio's paths, and the control routes under their own path."""
    app = Starlette(
        routes=[
            Mount("/_sandbox", routes=control),
            Mount(BASE_PATH, routes=_routes(bookio)),
        ],
        exception_handlers={404: bookio.unknown_path, 405: bookio.unknown_path},
    )
    return _Dated(app, bookio)


def _routes(bookio: Bookio) -> list[Route]:
    by_path: dict[str, dict[str, Operation]] = defaultdict(dict)
    for operation in bookio.operations.values():
        by_path[operation.path][operation.method] = operation
    return [
        Route(path, _endpoint(bookio, operations), methods=list(operations))
        for path, operations in by_path.items()
    ]


def _endpoint(
    bookio: Bookio, operations: dict[str, Operation]
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await bookio.answer(operations[method], request)

    return endpoint


class _Dated:
    """Sends the sandbox's own time as the ``Date`` header."""

    def __init__(self, app: ASGIApp, bookio: Bookio) -> None:
        self._app = app
        self._bookio = bookio

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start" and self._bookio.behaviour.date:
                headers = message["headers"]
                if all(name != b"date" for name, _ in headers):
                    headers.append((b"date", self._bookio.clock.http_date()))
            await send(message)

        await self._app(scope, receive, dated)
