"""How the transport handles settings and headers."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from bookio_api.client import BookioClient
from bookio_api.errors import ServerError, ValidationError
from bookio_api.http.retries import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_sandbox.running import Sandbox

QUICK = RetryPolicy(min_backoff_s=0.01, min_pause_s=0.01)


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[BookioClient]:
    made = BookioClient(auth_token=sandbox.token, api_url=sandbox.url, retry_policy=QUICK)
    yield made
    made.close()


def test_settings_can_be_decimals(sandbox: Sandbox) -> None:
    """Meltano passes numbers as ``Decimal``."""
    client = BookioClient(
        auth_token=sandbox.token,
        api_url=sandbox.url,
        request_timeout=Decimal("2.5"),
        requests_per_second=Decimal("2.5"),
    )
    assert client.call("list_facilities").data
    client.close()


@pytest.mark.parametrize(
    "header", ["Mon, 01 Jan 99999 00:00:00 GMT", "soon", "-5", "Mon, 99 Foo 2026 25:61:61 GMT", "²"]
)
def test_an_invalid_retry_after_is_ignored(
    sandbox: Sandbox, client: BookioClient, header: str
) -> None:
    """Without a usable header, the pause is ours to choose."""
    headers = {"Retry-After": header}
    sandbox.script("list_facilities", {"status": 429, "headers": headers})
    client.call("list_facilities")
    assert len(sandbox.requests("list_facilities")) == 2


@pytest.mark.parametrize(
    "date", ["Thu, 01 Jan 1970 00:00:00 GMT", "Sat, 08 Sep 2001 00:00:00 GMT", "now", "9" * 5000]
)
def test_a_date_header_from_an_unset_clock_is_ignored(
    sandbox: Sandbox, client: BookioClient, date: str
) -> None:
    """A bookmark is never taken from a clock that cannot be right."""
    body = '{"result": {"success": true, "data": {}}}'
    sandbox.script("list_facilities", {"status": 200, "body": body, "headers": {"Date": date}})
    assert client.call("list_facilities").server_time_ms is None


def test_retries_are_limited(sandbox: Sandbox, client: BookioClient) -> None:
    """A server that stays broken is tried as often as the policy allows."""
    sandbox.script("list_facilities", {"status": 503, "body": "", "times": 99})
    with pytest.raises(ServerError, match=r"^list_facilities .*HTTP 503.*; try again later$"):
        client.call("list_facilities")
    assert len(sandbox.requests("list_facilities")) == QUICK.max_attempts


def test_a_busy_server_s_retry_after_is_obeyed(sandbox: Sandbox, client: BookioClient) -> None:
    """503 with a ``Retry-After`` waits for as long, by the sandbox's own clock."""
    sandbox.script("list_facilities", {"status": 503, "headers": {"Retry-After": "1"}})
    client.call("list_facilities")
    first, second = (request["at"] for request in sandbox.requests("list_facilities"))
    assert second - first >= 1000


@pytest.mark.parametrize(("closed", "opened"), [(0, 1), (2, 3)])
def test_opened_connections_are_counted(
    sandbox: Sandbox, client: BookioClient, closed: int, opened: int
) -> None:
    headers = {"Connection": "close"}
    sandbox.script("list_calendars", *[{"headers": headers, "body": "{}", "status": 400}] * closed)
    for _ in range(closed):
        with pytest.raises(ValidationError):
            client.call("list_calendars")
    client.call("list_facilities")
    client.call("list_facilities")
    assert client.connections_opened == opened


def test_a_request_is_sent_in_one_piece() -> None:
    """Head and body arrive together, so that the server is not woken for half a request."""
    body = b'{"result": {"success": true, "data": {"id": 1}}}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"

    def answer_one(server: socket.socket) -> bytes:
        connection, _ = server.accept()
        with connection:
            first = connection.recv(1 << 16)
            connection.sendall(head % len(body) + body)
            return first

    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as executor:
        received = executor.submit(answer_one, server)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        client = BookioClient(auth_token="T", api_url=url)
        client.call("create_reservation", body={"externalId": 7})
        client.close()
    assert received.result().endswith(b'\r\n\r\n{"externalId":7}')
