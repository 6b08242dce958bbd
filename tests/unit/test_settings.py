"""Settings that cannot work are refused before anything is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from requests.adapters import HTTPAdapter

from bookio_api.client import BookioClient
from bookio_api.contract import OPERATIONS
from bookio_api.errors import SettingsError
from bookio_api.http.proxies import pool_for
from bookio_api.localtime import to_epoch_ms, zone
from bookio_api.overrides import with_overrides
from tap_bookio.settings import problems_of

HTTPS = "https://medic.example.org/api"
TOKEN_QUERY = "?token=very-secret"


def client(url: str = HTTPS) -> BookioClient:
    return BookioClient(auth_token="token", api_url=url)


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("operation", "value", "clue"),
    [
        ("list_reservations", "GET /{", "METHOD /path"),
        ("list_reservations", "GET /}x", "METHOD /path"),
        ("list_reservations", "GET /{}", "METHOD /path"),
        ("list_reservations", "GET /x" + TOKEN_QUERY, "METHOD /path"),
        ("confirm_sync", "PUT /r/{reservationId}/{", "METHOD /path"),
        ("confirm_sync", "PUT /r/{reservationId!r}", "METHOD /path"),
        ("confirm_sync", "PUT /r/{other}", "{reservationId}"),
        ("list_reservations", "DELETE /reservations", "write GET or POST"),
        ("list_reservations", "PUT /reservations", "write GET or POST"),
        ("create_reservation", "GET /reservations", "another method"),
        ("remove_blocked_time", "get /b/{blockedTimeId}", "another method"),
    ],
)
def test_an_impossible_override_is_refused(operation: str, value: str, clue: str) -> None:
    with pytest.raises(SettingsError) as refused:
        with_overrides({operation: value})
    assert clue in str(refused.value)
    assert operation in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_can_be_overridden_by_its_default(name: str) -> None:
    operation = OPERATIONS[name]
    assert with_overrides({name: f"{operation.method} {operation.path}"})[name] == operation


def test_a_read_can_be_overridden_with_post() -> None:
    assert with_overrides({"list_calendars": "post /c"})["list_calendars"].method == "POST"


def test_the_scheme_of_an_address_can_be_in_capitals(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("HTTPS_PROXY", "http://proxy.example.org:3128")
    made = client("HTTPS://medic.example.org/api/")
    assert made.api_url == HTTPS
    assert pool_for(HTTPAdapter(), made.api_url).proxy.host == "proxy.example.org"
    with pytest.raises(SettingsError, match="https"):
        client("HTTP://medic.example.org/api")


@pytest.mark.parametrize(
    "proxy",
    # pragma: allowlist nextline secret
    ["http://", "foo://x:1", "http://me:hidden@:80", "http://[::1", "http://x:99999"],
)
def test_an_invalid_proxy_is_reported_with_its_variable(
    clean_environment: pytest.MonkeyPatch, proxy: str
) -> None:
    clean_environment.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(SettingsError, match="the proxy of HTTPS_PROXY cannot be used") as refused:
        client()
    assert "hidden" not in str(refused.value)
    client("http://127.0.0.1:9")


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("path", ["/nowhere.pem", __file__])
def test_a_bundle_without_certificates_is_reported_with_its_variable(
    clean_environment: pytest.MonkeyPatch, variable: str, path: str
) -> None:
    clean_environment.setenv(variable, path)
    with pytest.raises(SettingsError, match=f"{variable} names {path}"):
        client()
    client("http://127.0.0.1:9")


@pytest.mark.parametrize("url", ["https://a b/", "https://*.example.org/"])
def test_an_invalid_address_is_refused(clean_environment: pytest.MonkeyPatch, url: str) -> None:  # noqa: ARG001
    with pytest.raises(SettingsError, match="api_url is not a valid address"):
        client(url)


def problems(**settings: Any) -> list[str]:
    valid = {"auth_token": "token", "api_url": HTTPS, "default_timezone": "Europe/Bratislava"}
    return problems_of({**valid, **settings})


def test_a_start_date_in_the_future_is_refused() -> None:
    now = datetime.now(UTC)
    assert not problems(start_date=(now + timedelta(hours=20)).isoformat())
    for ahead in (now + timedelta(days=2)).isoformat(), "9999-12-31", "9999-12-31T23:59:59+00:00":
        [problem] = problems(start_date=ahead)
        assert "is in the future" in problem


def test_a_start_date_before_1970_means_the_beginning() -> None:
    for text in "1969-01-01", "0001-01-01", "0001-01-01T00:00:00+14:00":
        assert not problems(start_date=text)
        assert to_epoch_ms(text, zone("Europe/Bratislava")) == 0


@pytest.mark.parametrize("key", ["a" * 32, " " * 64, "abc" * 20])
def test_a_key_that_can_be_guessed_is_refused(key: str) -> None:
    [problem] = problems(personal_data="pseudonymise", personal_data_key=key)
    assert "personal_data_key" in problem
    assert key not in problem
    assert not problems(personal_data="pseudonymise", personal_data_key="0123456789abcdef" * 2)
    assert not problems(personal_data="omit", personal_data_key=key)


@pytest.mark.parametrize("stream", ["reservations", "blocked_times"])
def test_an_empty_date_range_is_refused(stream: str) -> None:
    """``from`` after ``to`` would silently read nothing in every run."""
    [problem] = problems(**{f"{stream}_from": "2026-02-01", f"{stream}_to": "2026-01-31"})
    assert f"{stream}_from 2026-02-01 is after {stream}_to 2026-01-31" in problem
    assert not problems(**{f"{stream}_from": "2026-02-01", f"{stream}_to": "2026-02-01"})


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"detect_deletions": "all", "reservations_to": "2026-01-01"}, "reservations_to"),
        ({"detect_deletions": "all", "only_unsynced": True}, "only_unsynced"),
        ({"detect_deletions": True, "blocked_times_from": "2026-01-01"}, "blocked_times_from"),
        ({"detect_deletions": "all", "batch_config": {"encoding": {}}}, "batch_config"),
        ({"emit_activate_version_messages": True}, "detect_deletions"),
        (
            {"batch_config": {"x": 1}, "stream_maps": {"copy": {"__source__": "calendars"}}},
            "__source__",
        ),
    ],
)
def test_conflicting_settings_are_refused(settings: dict[str, Any], named: str) -> None:
    """Conflicting settings are refused before the first request."""
    assert any(named in problem for problem in problems(**settings))


BATCHES = {
    "encoding": {"format": "jsonl", "compression": "gzip"},
    "storage": {"root": "file:///tmp/batches"},
}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": -1}, "batch_size"),
        ({"batch_size": "many"}, "batch_size"),
        ({"storage": {}}, "storage.root"),
        ({"storage": None}, "storage.root"),
        ({"storage": {"root": "nowhere://folder"}}, "nowhere"),
        ({"storage": {"root": "s3://bucket"}}, "s3fs"),
        ({"encoding": None}, "encoding.format"),
        ({"encoding": {"format": "parquet"}}, "pyarrow"),
        ({"encoding": {"format": "jsonl", "compression": "none"}}, "gzip"),
        ({"encoding": {"format": "jsonl"}}, "gzip"),
        ({"files": 7}, "files"),
    ],
)
def test_a_batch_config_that_cannot_work_is_refused(change: dict[str, Any], named: str) -> None:
    """The SDK would fail in mid-run, or with a batch_size of 0 write nothing and move bookmarks."""
    [problem] = problems(batch_config={**BATCHES, **change})
    assert named in problem


@pytest.mark.parametrize("change", [{}, {"batch_size": 1}, {"batch_size": None}])
def test_a_batch_config_that_can_work_is_accepted(change: dict[str, Any]) -> None:
    """Optional parts may be left out."""
    assert not problems(batch_config={**BATCHES, **change})


def test_filters_of_reservations_may_go_with_detect_deletions_of_blocked_times() -> None:
    """``true`` keeps its meaning."""
    assert not problems(detect_deletions=True, reservations_to="2026-01-01", only_unsynced=True)
