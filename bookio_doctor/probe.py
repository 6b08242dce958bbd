"""Sends one request at a time to Bookio: paced, counted, and within a deadline.

It decodes bodies as the client does (`bookio_api.decoding`), so that the doctor never calls
unreadable what tap and target can read.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from bookio_api.contract import PRODUCTION_URL
from bookio_api.decoding import BodyDecoder
from bookio_api.errors import TransportError
from bookio_singer.settings import client_from

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_QUESTIONS = 60
DEADLINE_S = 50.0
"""For all requests together: a server that hangs costs less than a minute."""
MAX_TIMEOUT_S = 10.0
MAX_BODY_BYTES = 16 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_MAY_PASS = frozenset({408, 421, 425, 429, 499, *range(500, 600)})
"""Statuses of a server or proxy that may recover a moment later."""
_PAUSE_S = 1.0
"""Wait before a request is repeated."""


class UnansweredError(TransportError):
    """A request without a usable response; the message says why."""


@dataclass(frozen=True)
class Reply:
    """A response as it came."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    content: bytes
    document: Any
    """The body as JSON; ``None`` if it is not JSON."""
    asked_at: float
    """When the response began, in epoch seconds of our clock."""
    seconds: float

    @property
    def result(self) -> dict[str, Any]:
        """``result`` of the envelope, ``{}`` if there is none."""
        envelope = self.document.get("result") if isinstance(self.document, dict) else None
        return envelope if isinstance(envelope, dict) else {}

    @property
    def code(self) -> int | None:
        """Bookio's error code, in any of its possible places (U)."""
        top = self.document if isinstance(self.document, dict) else {}
        for place in (self.result, top):
            for name in ("errorCode", "code"):
                value = place.get(name)
                if isinstance(value, int | str) and str(value).isdecimal():
                    return int(value)
        return None

    @property
    def is_success(self) -> bool:
        """Whether it is the envelope of a successful request."""
        return self.status < 400 and self.result.get("success") is True  # noqa: PLR2004


class Probe:
    """The doctor's connection to Bookio.

    A failed read is repeated once, because a hiccup says nothing about Bookio. What fails
    twice counts as an observation.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Take the settings of a plugin. Raises ``SettingsError``; nothing is sent yet."""
        client_from(settings).close()  # the client checks token and address
        self._url = str(settings.get("api_url") or PRODUCTION_URL).strip().rstrip("/")
        self._lang = settings.get("lang") or "en"
        self._timeout_s = min(float(settings.get("request_timeout") or 30), MAX_TIMEOUT_S)
        per_second = settings.get("requests_per_second")
        self._interval_s = 1 / float(per_second) if per_second else 0.0
        self._next_start = 0.0  # in time.monotonic()
        self._session = requests.Session()
        self._session.headers.update(
            {
                "Authorization": f"Bearer {settings['auth_token'].strip()}",
                "Accept": "application/json",
                "User-Agent": "singer-bookio doctor",
            }
        )
        self._decoder = BodyDecoder()
        self._ends = time.monotonic() + DEADLINE_S
        self.replies: list[Reply] = []
        self.questions = 0

    def get(self, path: str, **query: object) -> Reply:
        """Ask with GET. Raises ``UnansweredError``."""
        return self.send("GET", path, query=query)

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
    ) -> Reply:
        """Send a request without its ``None`` parameters. Raises ``UnansweredError``."""
        params = {name: str(value) for name, value in (query or {}).items() if value is not None}
        params = {"lang": self._lang, **params}
        send = self._ask_again if method == "GET" else self._send_once
        reply = send(method, path, params, body)
        self.replies.append(reply)
        return reply

    def _ask_again(self, method: str, path: str, params: Mapping[str, str], body: object) -> Reply:
        """Send a read; repeat it once if it fails."""
        try:
            reply = self._send_once(method, path, params, body)
            if reply.status not in _MAY_PASS or not self._has_time:
                return reply
        except UnansweredError:
            if not self._has_time:
                raise
        time.sleep(_PAUSE_S)
        return self._send_once(method, path, params, body)

    @property
    def _has_time(self) -> bool:
        return time.monotonic() + _PAUSE_S < self._ends and self.questions < MAX_QUESTIONS

    def _send_once(self, method: str, path: str, params: Mapping[str, str], body: object) -> Reply:
        if self.questions >= MAX_QUESTIONS:
            msg = f"not sent: the limit of {MAX_QUESTIONS} requests is reached"
            raise UnansweredError(msg)
        time.sleep(max(0.0, min(self._next_start, self._ends) - time.monotonic()))
        if time.monotonic() >= self._ends:
            msg = "not sent: the time is up"
            raise UnansweredError(msg)
        self.questions += 1
        self._next_start = time.monotonic() + self._interval_s
        try:
            return self._exchange(method, path, params, body)
        except requests.exceptions.SSLError as error:
            msg = "the TLS certificate is not trusted; for a private CA, set REQUESTS_CA_BUNDLE"
            raise UnansweredError(msg) from error
        except requests.Timeout as error:
            msg = f"no response within {self._timeout_s:g} seconds"
            raise UnansweredError(msg) from error
        except (requests.RequestException, OSError) as error:
            msg = "the server cannot be reached, or the connection broke; check api_url"
            raise UnansweredError(msg) from error

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _exchange(self, method: str, path: str, params: Mapping[str, str], body: object) -> Reply:
        started = time.monotonic()
        with self._session.request(
            method,
            self._url + path,
            params=params,
            json=body,
            timeout=self._timeout_s,
            allow_redirects=False,
            stream=True,
        ) as response:
            content = bytearray()
            for chunk in response.iter_content(_CHUNK_BYTES):
                content += chunk
                # A server that trickles never hits the socket's timeout, so check the clock.
                if time.monotonic() - started > self._timeout_s:
                    raise requests.Timeout
                if len(content) > MAX_BODY_BYTES:
                    msg = f"{path}: the response is larger than {MAX_BODY_BYTES >> 20} MiB"
                    raise UnansweredError(msg)
            seconds = time.monotonic() - started
            return Reply(
                method,
                path,
                response.status_code,
                response.headers,
                bytes(content),
                self._document(path, content, response.headers.get("Content-Type", "")),
                time.time() - seconds,
                seconds,
            )

    def _document(self, path: str, content: bytearray, content_type: str) -> Any:  # noqa: ANN401
        try:
            return self._decoder.decode(content, content_type=content_type, source=path)
        except (ValueError, RecursionError):
            return None
