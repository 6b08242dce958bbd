"""What a response means: its data, or the error that it reports."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from bookio_api.client import BookioClient
from bookio_api.errors import (
    AuthError,
    BookioError,
    ContractError,
    DuplicateError,
    OutcomeUnknownError,
    RateLimitError,
    ValidationError,
)
from bookio_api.http.retries import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_sandbox.running import Sandbox

QUICK = RetryPolicy(min_backoff_s=0.01, min_pause_s=0.01, max_pause_s=0.02, max_wait_s=0.2)


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[BookioClient]:
    made = BookioClient(auth_token=sandbox.token, api_url=sandbox.url, retry_policy=QUICK)
    yield made
    made.close()


def listing(**data: Any) -> str:
    return json.dumps({"result": {"success": True, "data": data}}, ensure_ascii=False)


def in_base64(body: bytes) -> str:
    return base64.b64encode(body).decode()


@pytest.mark.parametrize("total", [7, "7", 7.0, " 7 ", "7.0"])
def test_a_total_may_come_as_text_or_float(
    sandbox: Sandbox, client: BookioClient, total: Any
) -> None:
    """The total counts as evidence of the list's end in whatever form it comes."""
    body = listing(reservations=[], pagination={"total": total})
    sandbox.script("list_reservations", {"body": body})
    assert client.list_page("list_reservations", {}).total == 7


@pytest.mark.parametrize("total", [None, True, "", "many", "9" * 5000, 7.5, [7], {"7": 7}])
def test_a_non_numeric_total_is_ignored(sandbox: Sandbox, client: BookioClient, total: Any) -> None:
    """An invalid total is treated as missing."""
    body = listing(reservations=[], pagination={"total": total})
    sandbox.script("list_reservations", {"body": body})
    assert client.list_page("list_reservations", {}).total is None


@pytest.mark.parametrize(
    ("encoding", "content_type"),
    [
        ("utf-8-sig", "application/json"),
        ("utf-16", "application/json"),
        ("cp1250", "application/json; charset=windows-1250"),
    ],
)
def test_a_list_in_another_encoding_is_read(
    sandbox: Sandbox, client: BookioClient, encoding: str, content_type: str
) -> None:
    """A whole response in another encoding is read at the first attempt."""
    body = listing(reservations=[{"id": 1, "surname": "Žltý"}]).encode(encoding)
    headers = {"content-type": content_type}
    sandbox.script("list_reservations", {"body_base64": in_base64(body), "headers": headers})
    assert client.list_page("list_reservations", {}).rows == [{"id": 1, "surname": "Žltý"}]
    assert len(sandbox.requests("list_reservations")) == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("status", [200, 400])
def test_an_error_code_is_read_in_any_encoding(
    sandbox: Sandbox, client: BookioClient, encoding: str, status: int
) -> None:
    """A refusal behind a byte order mark is a refusal, not an unknown outcome."""
    body = json.dumps({"result": {"success": False, "errorCode": 40}}).encode(encoding)
    sandbox.script("create_reservation", {"status": status, "body_base64": in_base64(body)})
    with pytest.raises(DuplicateError):
        client.call("create_reservation", body={"externalId": 1})


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (401, AuthError),
        (409, DuplicateError),
        (422, ValidationError),
        (500, OutcomeUnknownError),
        (429, RateLimitError),
        (503, OutcomeUnknownError),
        (50, ValidationError),
    ],
)
def test_an_http_status_sent_as_an_error_code_is_recognised(
    sandbox: Sandbox, client: BookioClient, code: int, error: type[BookioError]
) -> None:
    """HTTP 200 with code 500 is not a refusal: the write may have been applied."""
    body = json.dumps({"result": {"success": False, "errorCode": code}})
    sandbox.script("create_reservation", {"status": 200, "body": body, "times": 99})
    with pytest.raises(error):
        client.call("create_reservation", body={"externalId": 1})


@pytest.mark.parametrize("status", [408, 421, 425, 499, 500, 502, 503, 504, 520])
@pytest.mark.parametrize("body", ["", "<html><h1>Request Timeout</h1></html>"])
def test_a_read_that_timed_out_on_the_server_is_retried(
    sandbox: Sandbox, client: BookioClient, status: int, body: str
) -> None:
    """Whatever a proxy responds when it gives up, a read is retried."""
    sandbox.script("list_facilities", {"status": status, "body": body})
    assert client.list_page("list_facilities", {}).rows
    assert len(sandbox.requests("list_facilities")) == 2


@pytest.mark.parametrize("status", [408, 421, 425, 499, 500, 502, 503, 504, 520])
@pytest.mark.parametrize("body", ["", "<html><h1>Request Timeout</h1></html>"])
def test_a_write_that_timed_out_on_the_server_is_not_retried(
    sandbox: Sandbox, client: BookioClient, status: int, body: str
) -> None:
    """Only a lookup can determine the outcome of a write without a response."""
    sandbox.script("create_reservation", {"status": status, "body": body})
    with pytest.raises(OutcomeUnknownError, match="create_reservation"):
        client.call("create_reservation", body={"externalId": 1})
    assert len(sandbox.requests("create_reservation")) == 1


def test_a_body_that_cannot_be_encoded_is_refused_with_the_field_name(
    sandbox: Sandbox, client: BookioClient
) -> None:
    """Half an emoji in a record rejects the record, and the message does not quote it."""
    with pytest.raises(ValidationError, match="note contains half a character") as refused:
        client.call("create_reservation", body={"externalId": 1, "note": "Jana \ud83d"})
    assert refused.value.fields == ("note",)
    assert "Jana" not in str(refused.value)
    assert not sandbox.requests("create_reservation")


def test_a_row_with_another_id_is_reported_by_the_name_of_that_id(
    sandbox: Sandbox, client: BookioClient
) -> None:
    """The message names the fields that could be meant, and no other field (FACTS: rental)."""
    row = {"bookioId": 1, "gid": "x", "Jana Nová": 1, "name": "Jana"}
    sandbox.script("list_facilities", {"body": listing(facilities=[row])})
    with pytest.raises(ContractError, match="no numeric id, only bookioId, gid;") as refused:
        client.list_page("list_facilities", {})
    assert "Jana" not in str(refused.value)
