"""``BookioClient.call(operation, …)``: one request to Bookio, with everything that can go wrong."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests_ratelimiter import LimiterAdapter

from bookio_api.answers import failure_of, rows_of, success_of
from bookio_api.contract import PRODUCTION_URL, with_overrides
from bookio_api.errors import SettingsError
from bookio_api.redaction import conceal
from bookio_api.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookio_api.contract import Operation

JsonObject = dict[str, Any]

for _chatty in ("urllib3", "requests_ratelimiter", "pyrate_limiter"):
    # They log addresses, whose query may hold a patient's e-mail.
    logging.getLogger(_chatty).setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class Answer:
    """What Bookio answered: ``result.data`` and the server's clock (epoch ms, from ``Date``)."""

    data: JsonObject
    server_time_ms: int | None = None


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
        conceal(auth_token.strip())
        self._headers = {
            "Accept": "application/json",
            "Authorization": f"Bearer {_checked_token(auth_token)}",
            "User-Agent": "singer-bookio",
        }
        adapter = (
            LimiterAdapter(
                per_second=requests_per_second,
                limit_statuses=(),
                pool_maxsize=max_concurrency,
                pool_block=True,
            )
            if requests_per_second
            else HTTPAdapter(pool_maxsize=max_concurrency, pool_block=True)
        )
        self._transport = Transport(adapter, self.api_url, request_timeout)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Make a client from the settings of a plugin, named as in ``CONNECTION_SETTINGS``."""
        names = (
            "api_url",
            "lang",
            "max_concurrency",
            "requests_per_second",
            "request_timeout",
            "endpoint_overrides",
        )
        given = {name: settings[name] for name in names if settings.get(name) is not None}
        return cls(auth_token=settings.get("auth_token") or "", **given)

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
        request = self._request(op, path or {}, query or {}, body)
        return self._transport.send(op, request, _read)

    def rows(self, operation: str, answer: Answer) -> list[JsonObject]:
        """Return the rows of a list's answer; ``ContractError`` if there is no list of objects."""
        return rows_of(self.operations[operation], answer.data)

    def close(self) -> None:
        """Close the connections and wake whoever waits to try again."""
        self._transport.close()

    def _request(
        self,
        op: Operation,
        path: Mapping[str, int],
        query: Mapping[str, Any],
        body: Mapping[str, Any] | None,
    ) -> requests.PreparedRequest:
        filled = op.path.format_map({name: quote(str(value)) for name, value in path.items()})
        params = {"lang": self._lang, **query}
        return requests.Request(
            op.method,
            self.api_url + filled,
            params={k: _query_text(v) for k, v in params.items() if v is not None},
            headers=self._headers,
            json=body,
        ).prepare()


def _read(op: Operation, response: requests.Response, content: bytes) -> Answer:
    failure = failure_of(op, response, content)
    if failure is not None:
        raise failure
    data, server_time_ms = success_of(op, response, content)
    return Answer(data, server_time_ms)


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
        msg = "api_url is no address; write one such as " + PRODUCTION_URL
        raise SettingsError(msg) from error
    if parts.scheme not in {"http", "https"} or not host:
        msg = "api_url is no address; write one such as " + PRODUCTION_URL
        raise SettingsError(msg)
    if parts.username is not None or parts.password is not None:
        msg = "api_url holds a user name or password; take it out, auth_token is enough"
        raise SettingsError(msg)
    if parts.query or parts.fragment:
        msg = "api_url holds a ? or #; write only scheme, host and path, such as " + PRODUCTION_URL
        raise SettingsError(msg)
    if parts.scheme == "http" and not _is_loopback(host):
        msg = f"api_url would send the token to {host} in the clear; write https instead of http"
        raise SettingsError(msg)
    return url.strip().rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
