"""``BookioClient``: sends one request to Bookio, and raises typed errors."""

from __future__ import annotations

import re
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from bookio_api.contract import PRODUCTION_URL
from bookio_api.decoding import BodyDecoder
from bookio_api.errors import ContractError, SettingsError, ValidationError
from bookio_api.http.proxies import BAD_ADDRESS
from bookio_api.http.retries import RetryPolicy
from bookio_api.http.transport import Request, Transport
from bookio_api.overrides import with_overrides
from bookio_api.responses import Response, parse_response, row_id, rows_in, whole_number
from bookio_api.scan.pages import Page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bookio_api.contract import Operation
    from bookio_api.responses import JsonObject, RawResponse

T = TypeVar("T")

DEFAULT_POLICY = RetryPolicy()
MAX_ROWS = 100_000
"""Rows of one response: a thousand times the largest ``limit``, which a server may ignore.

Rows as large as Bookio's reach the bound of 64 MiB first; this one is for tiny rows.
"""


class BookioClient:
    """The Bookio Medical Public API; safe to use from several threads.

    Reads are retried until they succeed or time out. Writes are retried only if
    the first request certainly never arrived; any other unclear outcome raises
    ``OutcomeUnknownError``. The transport and the decoder own all mutable state.
    """

    def __init__(
        self,
        *,
        auth_token: str,
        api_url: str = PRODUCTION_URL,
        lang: str = "en",
        max_concurrency: int = 4,
        requests_per_second: float | None = None,
        request_timeout: float = 30,
        endpoint_overrides: Mapping[str, str] | None = None,
        retry_policy: RetryPolicy = DEFAULT_POLICY,
        admit: Callable[[], object] | None = None,
    ) -> None:
        """Check the settings; nothing is sent yet. Raises ``SettingsError``.

        ``admit`` is called before each request, as in ``Transport``.
        """
        self.operations = with_overrides(endpoint_overrides)
        self.api_url = _checked_url(api_url)
        self._in_language = urlencode({"lang": lang})
        self._headers = {
            "Accept": "application/json",
            "Authorization": f"Bearer {_checked_token(auth_token)}",
            "User-Agent": "singer-bookio",
        }
        self._headers_with_body = {**self._headers, "Content-Type": "application/json"}
        self._base_path = urlsplit(self.api_url).path
        self._parse = partial(parse_response, BodyDecoder())
        self._transport = Transport(
            self.api_url,
            connections=max_concurrency,
            timeout_s=float(request_timeout),
            per_second=float(requests_per_second or 0),
            policy=retry_policy,
            admit=admit,
        )

    def call(
        self,
        operation: str,
        *,
        path: Mapping[str, int] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Response:
        """Send one request and return Bookio's response.

        ``operation`` is a name of ``contract.OPERATIONS``; ``path`` fills its braces, ``None``
        values of ``query`` are left out. Raises the errors of ``bookio_api.errors``.
        """
        op = self.operations[operation]
        return self._transport.send(
            op, self._request(op, path or {}, query or {}, body), self._parse
        )

    def send(
        self,
        op: Operation,
        parse: Callable[[Operation, RawResponse], T],
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> T:
        """Send an operation that need not be one of ``contract``, and parse its response.

        Raises the errors of ``bookio_api.errors``, as ``parse`` should.
        """
        return self._transport.send(op, self._request(op, {}, query or {}, body), parse)

    def list_page(self, operation: str, query: Mapping[str, Any]) -> Page:
        """Call a list operation once; every row of the page has an int64 as ``id``.

        Raises ``ContractError`` if the response contains no list of such rows.
        """
        op = self.operations[operation]
        request = self._request(op, {}, query, None)
        response, raw = self._transport.send(op, request, self._parse_and_keep)
        pagination = response.data.get("pagination")
        total = pagination.get("total") if isinstance(pagination, dict) else None
        return Page(
            listed_rows(op, response),
            whole_number(total),
            response.server_time_ms,
            reread=lambda: listed_rows(op, self._parse(op, raw)),
        )

    def _parse_and_keep(self, op: Operation, raw: RawResponse) -> tuple[Response, RawResponse]:
        return self._parse(op, raw), raw

    @property
    def connections_opened(self) -> int:
        """How many connections were opened so far; each may carry many requests."""
        return self._transport.connections_opened

    def stop(self) -> None:
        """Send nothing more and end every wait; requests in flight may still arrive."""
        self._transport.stop()

    def close(self) -> None:
        """Stop, and abort the requests in flight; a write among them has an unknown outcome."""
        self._transport.close()

    def _request(
        self,
        op: Operation,
        path: Mapping[str, int],
        query: Mapping[str, Any],
        body: Mapping[str, Any] | None,
    ) -> Request:
        filled = op.path.format_map({name: quote(str(value)) for name, value in path.items()})
        url = f"{self._base_path}{filled}?{self._in_language}"
        params = {name: _query_text(value) for name, value in query.items() if value is not None}
        if params:
            url = f"{url}&{urlencode(params)}"
        if body is None:
            return Request(op.method, url, self._headers)
        return Request(op.method, url, self._headers_with_body, _encoded(op, body))


def listed_rows(op: Operation, response: Response) -> list[JsonObject]:
    """Return the rows of a list, with integer ids.

    Raises ``ContractError`` if the list is missing or too long, or a row has no id.
    """
    rows = rows_in(op, response.data)
    if len(rows) > MAX_ROWS:
        msg = (
            f"{op.name}: a response contains {len(rows)} rows, more than {MAX_ROWS}; check api_url"
        )
        raise ContractError(msg, operation=op.name)
    for row in rows:
        row["id"] = row_id(op, row)
    return rows


def _encoded(op: Operation, body: Mapping[str, Any]) -> bytes:
    """Return a body as JSON; a field with half a surrogate pair cannot be sent."""
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError as error:
        fields = [name for name, value in body.items() if not _is_sendable(value)]
        msg = (
            f"{op.name}: not sent, because {', '.join(fields)} contains half a character "
            "(a lone surrogate); correct the record and send it again"
        )
        raise ValidationError(msg, operation=op.name, fields=fields) from error


def _is_sendable(value: object) -> bool:
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        return False
    return True


def _query_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _checked_token(token: str) -> str:
    token = token.strip()
    if not token:
        msg = "auth_token is empty; set it to the token that Bookio issued for your channel"
        raise SettingsError(msg)
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        msg = "auth_token contains a blank or an invalid character; copy it again"
        raise SettingsError(msg)
    return token


def _checked_url(url: str) -> str:
    """Return the address without a trailing slash, if it is safe to send a token there."""
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise SettingsError(BAD_ADDRESS) from error
    if parts.scheme not in {"http", "https"} or not host:
        raise SettingsError(BAD_ADDRESS)
    if parts.username is not None or parts.password is not None:
        msg = "api_url contains a user name or password; remove it, auth_token is enough"
        raise SettingsError(msg)
    if parts.query or parts.fragment:
        msg = f"api_url contains a ? or #; write only scheme, host and path, as in {PRODUCTION_URL}"
        raise SettingsError(msg)
    if parts.scheme == "http" and not _is_loopback(host):
        msg = f"api_url would send the token to {host} unencrypted; write https instead of http"
        raise SettingsError(msg)
    return parts.geturl().rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
