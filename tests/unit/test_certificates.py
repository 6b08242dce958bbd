"""Which certificates are trusted, and the errors for those that are not."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from bookio_api.client import BookioClient
from bookio_api.errors import UntrustedServerError
from bookio_api.http import proxies
from tests.tls_bookio import TlsBookio, serving_tls

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl's command line")

VARIABLES = (
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsBookio]:
    with serving_tls(tmp_path_factory.mktemp("tls")) as running:
        yield running


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def ask(url: str, operation: str = "list_facilities") -> None:
    client = BookioClient(auth_token="token", api_url=url)
    try:
        client.call(operation, body={} if operation == "create_reservation" else None)
    finally:
        client.close()


@pytest.mark.parametrize("operation", ["list_facilities", "create_reservation"])
def test_an_untrusted_certificate_is_not_retried(server: TlsBookio, operation: str) -> None:
    """There is no retry, a write certainly did not arrive, and the message says what to set."""
    before = server.tries
    with pytest.raises(UntrustedServerError, match="set REQUESTS_CA_BUNDLE to the PEM file"):
        ask(server.url, operation)
    assert server.tries == before + 1


def test_a_certificate_of_another_host_points_to_api_url(
    server: TlsBookio, environment: pytest.MonkeyPatch
) -> None:
    """A bundle would not help here, so the message does not suggest one."""
    environment.setenv("REQUESTS_CA_BUNDLE", str(server.authority))
    with pytest.raises(UntrustedServerError, match=r"check api_url$"):
        ask(server.url_of_another_host)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_bundle_is_trusted(
    server: TlsBookio, environment: pytest.MonkeyPatch, variable: str
) -> None:
    """A private authority is configured with the usual environment variables."""
    environment.setenv(variable, str(server.authority))
    ask(server.url)


def test_certifi_is_trusted_where_the_system_has_no_store(
    server: TlsBookio, environment: pytest.MonkeyPatch
) -> None:
    """As with requests; where there is a store, certifi's certificates are not added to it."""
    environment.setattr(proxies, "CERTIFI_BUNDLE", str(server.authority))
    with pytest.raises(UntrustedServerError):
        ask(server.url)
    environment.setenv("SSL_CERT_FILE", str(server.authority.with_name("none.pem")))
    environment.setenv("SSL_CERT_DIR", str(server.authority.with_name("none")))
    ask(server.url)
