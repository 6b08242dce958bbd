"""``BookioClient.call(operation, …)``: one request to Bookio, with everything that can go wrong."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from bookio_api.contract import PRODUCTION_URL, with_overrides
from bookio_api.errors import ContractError, SettingsError
from bookio_api.http.proxies import NO_ADDRESS
from bookio_api.http.transport import Request, Transport
from bookio_api.responses import Answer, JsonObject, answer_of, integer_id, rows_of
from bookio_api.scan.pages import Page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookio_api.contract import Operation


MOST_ROWS = 100_000
"""In one answer: a thousand times the greatest limit, for a server may ignore it.

Rows as Bookio's fill the 64 MiB of an answer before that; rows of nothing do not.
"""


class BookioClient:
    """The Bookio Medical Public API behind one method; safe to use from several threads.

    Reads are sent again until they succeed or patience ends. Writes are sent again only where
    the first request surely never arrived; every unclear outcome is an ``OutcomeUnknownError``.
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
    ) -> None:
        """Check the settings; nothing is sent yet. Raises ``SettingsError``."""
        self.operations = with_overrides(endpoint_overrides)
        self.api_url = _checked_url(api_url)
        self._lang = lang
        self._headers = {
            "Accept": "application/json",
            "Authorization": f"Bearer {_checked_token(auth_token)}",
            "User-Agent": "singer-bookio",
        }
        self._path = urlsplit(self.api_url).path
        self._transport = Transport(
            self.api_url,
            connections=max_concurrency,
            timeout=float(request_timeout),
            per_second=float(requests_per_second or 0),
        )

    def call(
        self,
        operation: str,
        *,
        path: Mapping[str, int] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Send one request and return what Bookio answered.

        ``operation`` is a name of ``contract.OPERATIONS``; ``path`` fills its braces, ``None``
        values of ``query`` are left out. Raises the errors of ``bookio_api.errors``.
        """
        op = self.operations[operation]
        return self._transport.send(op, self._request(op, path or {}, query or {}, body), answer_of)

    def rows(self, operation: str, answer: Answer) -> list[JsonObject]:
        """Return the rows of a list's answer; ``ContractError`` if there is no list of objects."""
        return rows_of(self.operations[operation], answer.data)

    def list_page(self, operation: str, query: Mapping[str, Any]) -> Page:
        """Ask a list operation once; every row of the page has an int64 as ``id``."""
        answer = self.call(operation, query=query)
        rows = self.rows(operation, answer)
        if len(rows) > MOST_ROWS:
            msg = f"{operation}: {len(rows)} rows in one answer, and at most {MOST_ROWS} are taken"
            raise ContractError(msg, operation=operation)
        for row in rows:
            row["id"] = integer_id(operation, row.get("id"))
        pagination = answer.data.get("pagination")
        total = pagination.get("total") if isinstance(pagination, dict) else None
        return Page(rows, total if type(total) is int else None, answer.server_time_ms)

    def stop(self) -> None:
        """Send nothing more and wake whoever waits; what is on its way may still land."""
        self._transport.stop()

    def close(self) -> None:
        """Stop, and end what is on its way: a write among it has an unknown outcome then."""
        self._transport.close()

    def _request(
        self,
        op: Operation,
        path: Mapping[str, int],
        query: Mapping[str, Any],
        body: Mapping[str, Any] | None,
    ) -> Request:
        filled = op.path.format_map({name: quote(str(value)) for name, value in path.items()})
        params = {name: _query_text(value) for name, value in query.items() if value is not None}
        url = f"{self._path}{filled}?{urlencode({'lang': self._lang, **params})}"
        if body is None:
            return Request(op.method, url, self._headers)
        headers = {**self._headers, "Content-Type": "application/json"}
        return Request(op.method, url, headers, msgspec.json.encode(body))


def _query_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _checked_token(token: str) -> str:
    token = token.strip()
    if not token:
        msg = "auth_token is empty; set it to the token that Bookio gave to your channel"
        raise SettingsError(msg)
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        msg = "auth_token holds a blank or a character that no token has; copy it again"
        raise SettingsError(msg)
    return token


def _checked_url(url: str) -> str:
    """Return the address without a slash at its end, if a token may be sent there."""
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise SettingsError(NO_ADDRESS) from error
    if parts.scheme not in {"http", "https"} or not host:
        raise SettingsError(NO_ADDRESS)
    if parts.username is not None or parts.password is not None:
        msg = "api_url holds a user name or password; take it out, auth_token is enough"
        raise SettingsError(msg)
    if parts.query or parts.fragment:
        msg = "api_url holds a ? or #; write only scheme, host and path, such as " + PRODUCTION_URL
        raise SettingsError(msg)
    if parts.scheme == "http" and not _is_loopback(host):
        msg = f"api_url would send the token to {host} in the clear; write https instead of http"
        raise SettingsError(msg)
    return parts.geturl().rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
