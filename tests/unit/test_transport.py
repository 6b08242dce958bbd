"""What the client makes of settings and of headers."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from bookio_api.client import BookioClient
from bookio_api.errors import RateLimitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_sandbox.running import Sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[BookioClient]:
    made = BookioClient(auth_token=sandbox.token, api_url=sandbox.url)
    yield made
    made.close()


def test_numbers_may_be_decimals(sandbox: Sandbox) -> None:
    client = BookioClient(
        auth_token=sandbox.token,
        api_url=sandbox.url,
        request_timeout=Decimal("2.5"),
        requests_per_second=Decimal("2.5"),
    )
    assert client.call("list_facilities").data
    client.close()


@pytest.mark.parametrize("header", ["9" * 5000, "9" * 30, "Mon, 01 Jan 2399 00:00:00 GMT"])
def test_who_asks_to_wait_for_ages_is_told_as_much(
    sandbox: Sandbox, client: BookioClient, header: str
) -> None:
    sandbox.script("list_facilities", {"status": 429, "headers": {"Retry-After": header}})
    with pytest.raises(RateLimitError, match="come back at"):
        client.call("list_facilities")


@pytest.mark.parametrize(
    "header", ["Mon, 01 Jan 99999 00:00:00 GMT", "soon", "-5", "Mon, 99 Foo 2026 25:61:61 GMT", "²"]
)
def test_who_asks_for_nonsense_is_asked_again_soon(
    sandbox: Sandbox, client: BookioClient, header: str
) -> None:
    headers = {"Retry-After": header}
    sandbox.script("list_facilities", {"status": 429, "headers": headers})
    client.call("list_facilities")
    assert len(sandbox.requests("list_facilities")) == 2


@pytest.mark.parametrize(
    "date", ["Thu, 01 Jan 1970 00:00:00 GMT", "Sat, 08 Sep 2001 00:00:00 GMT", "now", "9" * 5000]
)
def test_a_clock_of_another_age_is_no_clock(
    sandbox: Sandbox, client: BookioClient, date: str
) -> None:
    body = '{"result": {"success": true, "data": {}}}'
    sandbox.script("list_facilities", {"status": 200, "body": body, "headers": {"Date": date}})
    assert client.call("list_facilities").server_time_ms is None
