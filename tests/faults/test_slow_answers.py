"""Responses that never end: each exchange ends by its deadline, and no connection leaks."""

from __future__ import annotations

import gzip
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from bookio_api.client import BookioClient
from bookio_api.errors import OutcomeUnknownError, RateLimitError, TransportError
from bookio_api.http.retries import RetryPolicy
from tests.cli import BIN, singer_lines
from tests.drip import HEAD, Drip, dripping

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bookio_sandbox.running import Sandbox

TOKEN = "sandbox-token"
BOOKING = {"externalId": 1}
PATIENCE = 20
QUICK = RetryPolicy(min_backoff_s=0.01)

BODY = HEAD + b"Content-Length: 100000\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
PACKED = HEAD + b"Content-Encoding: gzip\r\nContent-Length: 100000\r\n\r\n"
DRIPS = {
    "silence": (b"", b""),
    "a header without an end": (HEAD + b"X: ", b"a"),
    "one 100 after another": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body": (BODY, b" "),
    "a body until the connection closes": (HEAD + b"\r\n", b" "),
    "the size of a chunk": (CHUNKED, b"0"),
    "small chunks": (CHUNKED, b"1\r\n \r\n"),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: y\r\n"),
    "gzip that unpacks to nothing": (PACKED + gzip.compress(b"")[:10], b"\x00\x00\x00\xff\xff"),
}


@pytest.fixture
def clients() -> Iterator[list[BookioClient]]:
    made: list[BookioClient] = []
    yield made
    for client in made:
        client.close()


def client_of(server: Drip, clients: list[BookioClient], **settings: Any) -> BookioClient:
    made = BookioClient(
        auth_token=TOKEN,
        api_url=server.url,
        retry_policy=QUICK,
        **{"request_timeout": 30, **settings},
    )
    clients.append(made)
    return made


def in_time(call: Any, *arguments: Any, **named: Any) -> BaseException | None:
    """Return what a call raises, or ``None``; fail if it does not end."""
    raised: list[BaseException | None] = []

    def target() -> None:
        try:
            call(*arguments, **named)
        except Exception as error:  # noqa: BLE001 - that is what is asked for
            raised.append(error)
        else:
            raised.append(None)

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert raised, "it hangs"
    return raised[0]


@pytest.mark.parametrize("drip", DRIPS.values(), ids=DRIPS)
def test_a_response_without_end_is_given_up(
    drip: tuple[bytes, bytes], clients: list[BookioClient]
) -> None:
    """A byte now and then does not keep an exchange alive, and the write is sent once."""
    with dripping(*drip) as server:
        client = client_of(server, clients, request_timeout=0.3)
        failure = in_time(client.call, "create_reservation", body=BOOKING)
        assert isinstance(failure, OutcomeUnknownError), failure
        assert server.asked == 1


def test_a_late_response_names_the_setting(clients: list[BookioClient]) -> None:
    """The message is about the timeout, however the parser saw the closed socket."""
    with dripping(HEAD + b"\r\n", b"{}") as server:
        client = client_of(server, clients, request_timeout=0.1)
        failure = in_time(client.call, "list_facilities")
        assert isinstance(failure, TransportError)
        assert "raise request_timeout" in str(failure)


@pytest.mark.parametrize("connections", [1, 3])
def test_slow_bodies_do_not_use_up_connections(
    connections: int, clients: list[BookioClient]
) -> None:
    """A connection that was given up makes room for the next."""
    with dripping(BODY, b" ", times=4) as server:
        client = client_of(server, clients, request_timeout=0.2, max_concurrency=connections)
        assert in_time(client.call, "list_facilities") is None
        assert server.asked == 5


def test_close_ends_requests_in_flight(clients: list[BookioClient]) -> None:
    """After ``close`` no thread waits for a server, and nothing is sent again."""
    with dripping(BODY, b" ") as server, ThreadPoolExecutor() as executor:
        client = client_of(server, clients, max_concurrency=2)
        calls = [executor.submit(client.call, "list_facilities") for _ in range(5)]
        assert server.dripping.wait(PATIENCE)
        client.close()
        assert all(isinstance(call.exception(PATIENCE), TransportError) for call in calls)
        assert server.asked <= 2


def test_stop_waits_for_requests_in_flight_and_sends_no_more(clients: list[BookioClient]) -> None:
    """After ``stop`` a write either lands or is certainly unsent."""
    answer = b"Content-Length: 0\r\n\r\n"
    with dripping(HEAD.replace(b"200", b"204"), answer, every=0.3) as server:
        client = client_of(server, clients, max_concurrency=1)
        with ThreadPoolExecutor() as executor:
            landing = executor.submit(client.call, "create_reservation", body=BOOKING)
            assert server.dripping.wait(PATIENCE)
            waiting = executor.submit(client.call, "create_reservation", body=BOOKING)
            client.stop()
            assert landing.result(PATIENCE).data == {}
            unsent = waiting.exception(PATIENCE)
        assert isinstance(unsent, TransportError)
        assert "stopped" in str(unsent)
        assert server.asked == 1


@pytest.mark.parametrize("operation", ["list_facilities", "create_reservation"])
def test_a_wait_that_is_cut_short_ends_without_another_request(
    operation: str, sandbox: Sandbox
) -> None:
    """SIGTERM does not wait for a ``Retry-After``; the error says why the run was waiting."""
    sandbox.script(operation, {"status": 429, "headers": {"Retry-After": "200"}, "times": 9})
    client = BookioClient(auth_token=sandbox.token, api_url=sandbox.url)
    with ThreadPoolExecutor() as executor:
        call = executor.submit(client.call, operation, body=BOOKING)
        while not sandbox.requests(operation):
            pass
        client.close()
        assert isinstance(call.exception(PATIENCE), RateLimitError)
    assert len(sandbox.requests(operation)) == 1


def test_a_stopped_client_does_not_wait_for_its_rate_limit(sandbox: Sandbox) -> None:
    """A slow ``requests_per_second`` does not delay the end of a run."""
    client = BookioClient(auth_token=sandbox.token, api_url=sandbox.url, requests_per_second=0.001)
    client.call("list_facilities")
    with ThreadPoolExecutor() as executor:
        call = executor.submit(client.call, "create_reservation", body=BOOKING)
        client.stop()
        assert isinstance(call.exception(PATIENCE), TransportError)
    client.close()
    assert not sandbox.requests("create_reservation")


def test_a_signal_ends_a_tap_whose_server_hangs(tmp_path: Path) -> None:
    """One line and exit code 1, at once."""
    config = tmp_path / "config.json"
    with dripping() as server:
        config.write_text(f'{{"auth_token": "{TOKEN}", "api_url": "{server.url}"}}')
        command = [str(BIN / "tap-bookio"), "--config", str(config)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tap:
            assert server.dripping.wait(PATIENCE)
            tap.send_signal(signal.SIGTERM)
            _, stderr = tap.communicate(timeout=PATIENCE)
        assert tap.returncode == 1
        assert b"stopped by signal" in stderr
        assert b"Traceback" not in stderr


@pytest.mark.parametrize("plugin", ["tap-bookio", "target-bookio"])
def test_a_signal_ends_a_run_that_waits_for_a_rate_limit(
    plugin: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """A ``Retry-After`` of minutes does not keep a scheduler that sends SIGTERM waiting."""
    sandbox.script("*", {"status": 429, "headers": {"Retry-After": "250"}, "times": 99})
    config = tmp_path / "config.json"
    config.write_text(f'{{"auth_token": "{sandbox.token}", "api_url": "{sandbox.url}"}}')
    (tmp_path / "input.jsonl").write_text(singer_lines("reservations", [BOOKING]))
    command = [str(BIN / plugin), "--config", str(config)]
    with (
        (tmp_path / "input.jsonl").open() as stdin,
        subprocess.Popen(
            command, cwd=tmp_path, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as run,
    ):
        while not sandbox.requests() and run.poll() is None:
            pass
        run.send_signal(signal.SIGTERM)
        _, stderr = run.communicate(timeout=PATIENCE)
    assert run.returncode == 1
    assert b"stopped by signal" in stderr
    assert b"Traceback" not in stderr
