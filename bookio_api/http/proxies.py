"""Proxies and certificates, as the environment configures them."""

from __future__ import annotations

import os
import ssl
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import DEFAULT_CA_BUNDLE_PATH as CERTIFI_BUNDLE
from urllib3.exceptions import HTTPError

from bookio_api.contract import PRODUCTION_URL
from bookio_api.errors import SettingsError

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter

BAD_ADDRESS = f"api_url is not a valid address; write one such as {PRODUCTION_URL}"

_PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""In the same order as in requests."""


def pool_for(adapter: HTTPAdapter, api_url: str) -> Any:  # noqa: ANN401 - an urllib3 pool
    """Return a connection pool for a host, with TLS always verified.

    Certificates are trusted in this order: the bundle of a variable, the system's store (which
    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` move), certifi if the system has no store.

    Raises ``SettingsError``, which names the variable but not its value: it may have a password.
    """
    settings = requests.Session().merge_environment_settings(api_url, {}, True, True, None)  # noqa: FBT003
    tls = api_url.startswith("https:")
    proxies = settings["proxies"] if tls else {}
    verify = settings["verify"]
    if tls and isinstance(verify, str):
        _check_bundle(verify)
    elif tls and not _system_has_certificates():
        verify = CERTIFI_BUNDLE
    request = _prepared(api_url)
    try:
        return adapter.get_connection_with_tls_context(request, verify, proxies=proxies)
    except (requests.RequestException, HTTPError, ValueError) as error:
        variable = _first_set(_PROXY_VARIABLES) or "the system"
        msg = f"the proxy of {variable} cannot be used; write http://proxy.example.org:3128"
        raise SettingsError(msg) from error


def _prepared(api_url: str) -> requests.PreparedRequest:
    try:
        return requests.Request("GET", api_url).prepare()
    except (requests.RequestException, HTTPError, ValueError) as error:
        raise SettingsError(BAD_ADDRESS) from error


def _check_bundle(path: str) -> None:
    try:
        if Path(path).is_dir():
            ssl.create_default_context(capath=path)
        else:
            ssl.create_default_context(cafile=path)
    except OSError as error:
        msg = (
            f"{_first_set(_BUNDLE_VARIABLES)} names {path}, which contains no certificates; "
            "name a PEM file, or unset it"
        )
        raise SettingsError(msg) from error


def _system_has_certificates() -> bool:
    """Whether OpenSSL finds any; python.org's Python on a Mac and slim images have none."""
    if ssl.create_default_context().cert_store_stats()["x509_ca"]:
        return True
    folder = ssl.get_default_verify_paths().capath  # its files are read only when they are needed
    with suppress(OSError):
        return folder is not None and any(Path(folder).iterdir())
    return False


def _first_set(variables: tuple[str, ...]) -> str | None:
    return next((name for name in variables if os.environ.get(name)), None)
