"""Sends requests with the client's own parts: paced, counted, and within a minute.

What tap and target can read, the doctor calls readable, because the same code reads it. Only
these differ: a request that fails is repeated once, because a hiccup says nothing about Bookio,
and all of them together have a limit.
"""

from __future__ import annotations

import time
from dataclasses import replace
from threading import Timer
from typing import TYPE_CHECKING, Any

from bookio_api.client import listed_rows
from bookio_api.decoding import BodyDecoder, is_html
from bookio_api.errors import BookioError, BrokenResponseError, ContractError, TransportError
from bookio_api.http.deadlines import StoppedError
from bookio_api.http.retries import RetryPolicy
from bookio_api.responses import is_overfull, parse_response, rows_in
from bookio_doctor.answers import Answer, Reply, data_of, outline_of
from bookio_singer.redaction import place_of
from bookio_singer.settings import client_from

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookio_api.contract import Operation
    from bookio_api.responses import RawResponse, Response
    from bookio_doctor.answers import Outline

MAX_REQUESTS = 60
DEADLINE_S = 45.0
"""For all requests together, from the first one on."""
MAX_TIMEOUT_S = 10.0
"""For one of them, so that a server that hangs costs less than a minute."""
POLICY = RetryPolicy(max_attempts=2, max_wait_s=DEADLINE_S)
"""A ``Retry-After`` is obeyed as long as there is time."""


class Probe:
    """The doctor's connection to Bookio. It is used from one thread.

    Another one, a timer, writes ``ended`` and closes the client when the time is up.
    """

    def __init__(self, settings: Mapping[str, Any], *, deadline_s: float = DEADLINE_S) -> None:
        """Take the settings of a plugin. Raises ``SettingsError``; nothing is sent yet."""
        timeout_s = min(float(settings.get("request_timeout") or MAX_TIMEOUT_S), MAX_TIMEOUT_S)
        self._patience_s = timeout_s / 2
        self._client = client_from(
            {**settings, "request_timeout": timeout_s, "max_concurrency": 1},
            retry_policy=POLICY,
            admit=self._admit,
        )
        self._decoder = BodyDecoder()
        self._timer = Timer(deadline_s, self._end)
        self._timer.daemon = True
        self._sent_at: float | None = None  # the question's latest request, in time.monotonic()
        self._is_answered = False  # whether it got any response
        self.ended = ""
        """Why nothing more is sent; empty while requests can be sent."""
        self.requests = 0
        """How many were sent, with those that were repeated."""
        self.replies: list[Reply] = []
        """Every response, oldest first."""

    @property
    def connections(self) -> int:
        """How many connections were opened."""
        return self._client.connections_opened

    def get(self, operation: Operation, query: Mapping[str, object] | None = None) -> Answer:
        """Ask for a list, with GET whatever the operation's method is. Nothing is raised."""
        asked = replace(operation, method="GET")
        return self._ask(asked, query=query or {})

    def write(self, operation: Operation) -> Answer:
        """Send a write that cannot change anything. Nothing is raised."""
        return self._ask(operation, body=None if operation.method == "DELETE" else {})

    def close(self) -> None:
        """Close the connections."""
        self._timer.cancel()
        self._client.close()

    def _ask(self, operation: Operation, **parts: Any) -> Answer:  # noqa: ANN401 - as the client takes them
        response: Response | None = None
        error: BookioError | None = None
        self._sent_at, self._is_answered = None, False
        try:
            response = self._client.send(operation, self._parse, **parts)
        except BookioError as failure:
            error = failure
        except Exception as failure:  # noqa: BLE001 - one response must not end the survey
            what = f"unexpected {place_of(failure)}; please report this line"
            error = TransportError(f"{operation.name}: {what}")
        reply = self.replies[-1] if self._is_answered else None
        is_cut = reply is None or isinstance(error, BrokenResponseError)
        if self.ended and is_cut and isinstance(error, TransportError):
            what = "not asked, because" if self._sent_at is None else "no response until"
            error = TransportError(f"{operation.name}: {what} {self.ended}")
        if response is None or operation.rows is None:
            return Answer(operation, reply, error)
        return answer_with_list(operation, reply, response)

    def _admit(self) -> None:
        """Count a request, or refuse it.

        One that waited in vain is not repeated: the time is for the other lists.
        """
        now = time.monotonic()
        is_unheard = self._sent_at is not None and not self._is_answered
        if is_unheard and now > (self._sent_at or now) + self._patience_s:
            raise StoppedError
        if self.requests == MAX_REQUESTS:
            self.ended = f"the limit of {MAX_REQUESTS} requests was reached"
        if self.ended:
            raise StoppedError
        if not self.requests:
            self._timer.start()
        self.requests += 1
        self._sent_at = now

    def _end(self) -> None:
        self.ended = "the time was up"
        self._client.close()

    def _parse(self, operation: Operation, raw: RawResponse) -> Response:
        """Record a response, and read it as the client does."""
        seconds = time.monotonic() - (self._sent_at or 0.0)
        outline = self._outline(operation, raw)
        asked_at = time.time() - seconds
        self.replies.append(Reply(raw.status, raw.headers, outline, asked_at, seconds))
        self._is_answered = True
        return parse_response(self._decoder, operation, raw)

    def _outline(self, operation: Operation, raw: RawResponse) -> Outline:
        if is_overfull(raw.body):
            return "too many objects"
        kind = raw.headers.get("Content-Type") or ""
        try:
            body = self._decoder.decode(raw.body, content_type=kind, source=operation.name)
        except (ValueError, RecursionError):
            return "HTML" if is_html(raw.body) else "no JSON" if raw.body else "empty"
        return outline_of(body)


def answer_with_list(operation: Operation, reply: Reply | None, response: Response) -> Answer:
    """Read the rows of a response as the client does."""
    try:
        rows_in(operation, response.data)
    except ContractError as error:
        return Answer(operation, reply, error)
    pagination = response.data.get("pagination")
    total = pagination.get("total") if isinstance(pagination, dict) else None
    key = _rows_key(operation, response, reply)
    try:
        rows = listed_rows(operation, response)
    except ContractError as error:
        return Answer(operation, reply, error, has_list=True, rows_key=key, total=total)
    return Answer(operation, reply, None, has_list=True, rows=rows, rows_key=key, total=total)


def _rows_key(operation: Operation, response: Response, reply: Reply | None) -> str:
    """Return the name of the list in ``data``, or nothing if ``data`` itself is the list."""
    if reply is not None and not isinstance(data_of(reply.outline), dict):
        return ""
    lists = [name for name, value in response.data.items() if isinstance(value, list)]
    return operation.rows if operation.rows in lists else lists[0]
