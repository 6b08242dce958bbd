"""How a host is reached from here: the proxies and certificates that the environment names."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from urllib3.exceptions import HTTPError

from bookio_api.contract import PRODUCTION_URL
from bookio_api.errors import SettingsError

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter

BAD_ADDRESS = f"api_url is not a valid address; write one such as {PRODUCTION_URL}"

_PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables in the order in which requests reads them."""


def pool_of(adapter: HTTPAdapter, api_url: str) -> Any:  # noqa: ANN401 - an urllib3 pool
    """Return the adapter's pool of connections to a host, TLS always verified.

    Raises ``SettingsError``, which names the variable, but not its proxy: that may hold a password.
    """
    settings = requests.Session().merge_environment_settings(api_url, {}, True, True, None)  # noqa: FBT003
    tls = api_url.startswith("https:")
    proxies = settings["proxies"] if tls else {}
    if tls and isinstance(settings["verify"], str):
        _check_certificates(settings["verify"])
    request = _prepared(api_url)
    try:
        return adapter.get_connection_with_tls_context(request, settings["verify"], proxies=proxies)
    except (requests.RequestException, HTTPError, ValueError) as error:
        variable = _given(_PROXIES) or "the system"
        msg = f"the proxy of {variable} cannot be used; write http://proxy.example.org:3128"
        raise SettingsError(msg) from error


def _prepared(api_url: str) -> requests.PreparedRequest:
    try:
        return requests.Request("GET", api_url).prepare()
    except (requests.RequestException, HTTPError, ValueError) as error:
        raise SettingsError(BAD_ADDRESS) from error


def _check_certificates(path: str) -> None:
    try:
        if Path(path).is_dir():
            ssl.create_default_context(capath=path)
        else:
            ssl.create_default_context(cafile=path)
    except OSError as error:
        msg = (
            f"{_given(_CERTIFICATES)} names {path}, which holds no certificates; "
            "name a PEM file, or unset it"
        )
        raise SettingsError(msg) from error


def _given(variables: tuple[str, ...]) -> str | None:
    return next((name for name in variables if os.environ.get(name)), None)
