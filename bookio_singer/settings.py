"""The settings that tap and target share, as JSON Schema properties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bookio_api.client import BookioClient
from bookio_api.contract import OPERATIONS, PRODUCTION_URL
from bookio_api.localtime import DEFAULT_TIMEZONE

if TYPE_CHECKING:
    from collections.abc import Mapping

Settings = dict[str, dict[str, Any]]

CONNECTION_SETTINGS: Settings = {
    "auth_token": {
        "type": "string",
        "title": "Token",
        "description": "Secret API token that Bookio gave to your channel.",
        "secret": True,
        "writeOnly": True,
    },
    "api_url": {
        "type": "string",
        "title": "API address",
        "description": "Base address of the API. It must be https, except on this machine.",
        "default": PRODUCTION_URL,
    },
    "lang": {
        "type": "string",
        "title": "Language",
        "description": "Language of the texts that Bookio sends; unsupported ones fall back to en.",
        "default": "en",
    },
    "max_concurrency": {
        "type": "integer",
        "title": "Requests in flight",
        "description": "How many requests may be in flight at once.",
        "default": 4,
        "minimum": 1,
        "maximum": 64,
    },
    "requests_per_second": {
        "type": ["number", "null"],
        "title": "Requests per second",
        "description": "Maximum number of requests to start per second; no limit unless set.",
        "exclusiveMinimum": 0,
    },
    "request_timeout": {
        "type": "number",
        "title": "Request timeout",
        "description": "Seconds after which a request without a complete response is abandoned.",
        "default": 30,
        "exclusiveMinimum": 0,
        "maximum": 3600,
    },
    "endpoint_overrides": {
        "type": ["object", "null"],
        "title": "Endpoint overrides",
        "description": (
            "Corrects the method and path of an operation, for instance "
            '{"confirm_sync": "PUT /reservations/{reservationId}/confirm"}: most paths are not '
            f"confirmed by the vendor. Operations: {', '.join(OPERATIONS)}."
        ),
        "additionalProperties": {"type": "string"},
    },
}
"""What ``BookioClient`` takes, by name."""

TIMEZONE_SETTING: Settings = {
    "default_timezone": {
        "type": "string",
        "title": "Default time zone",
        "description": "IANA zone for facilities whose own time zone is not known.",
        "default": DEFAULT_TIMEZONE,
    },
}


def client_from(settings: Mapping[str, Any]) -> BookioClient:
    """Return a client with a plugin's settings, named as in ``CONNECTION_SETTINGS``.

    Raises:
        SettingsError: a setting cannot work.
    """
    names = CONNECTION_SETTINGS
    options = {name: settings[name] for name in names if settings.get(name) is not None}
    return BookioClient(**{"auth_token": "", **options})
