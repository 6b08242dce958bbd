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
        "description": "Secret API token that Bookio issued for your channel.",
        "secret": True,
        "writeOnly": True,
    },
    "api_url": {
        "type": "string",
        "title": "API address",
        "description": "Base URL of the API. It must be https, except on this machine.",
        "default": PRODUCTION_URL,
    },
    "lang": {
        "type": "string",
        "title": "Language",
        "description": "Language of texts from Bookio; unsupported languages fall back to en.",
        "default": "en",
    },
    "max_concurrency": {
        "type": "integer",
        "title": "Requests in flight",
        "description": "Maximum number of requests in flight at once.",
        "default": 4,
        "minimum": 1,
        "maximum": 64,
    },
    "requests_per_second": {
        "type": ["number", "null"],
        "title": "Requests per second",
        "description": "Maximum number of requests to start per second. No limit by default.",
        "exclusiveMinimum": 0,
    },
    "request_timeout": {
        "type": "number",
        "title": "Request timeout",
        "description": "Seconds to wait for a complete response before a request is abandoned.",
        "default": 30,
        "exclusiveMinimum": 0,
        "maximum": 3600,
    },
    "endpoint_overrides": {
        "type": ["object", "null"],
        "title": "Endpoint overrides",
        "description": (
            "Corrects the method and path of operations, for instance "
            '{"confirm_sync": "PUT /reservations/{reservationId}/confirm"}. Most paths are not '
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
        "description": "IANA time zone for facilities whose own time zone is unknown.",
        "default": DEFAULT_TIMEZONE,
    },
}


def facilities_problem(config: Mapping[str, Any]) -> str | None:
    """Return what is wrong with ``facility_ids``: an empty list, from a script that found none."""
    if config.get("facility_ids") != []:
        return None
    return (
        "facility_ids is an empty list, so there is nothing to do; list the facilities, or remove "
        "the setting to allow all"
    )


def client_from(settings: Mapping[str, Any], **parts: Any) -> BookioClient:  # noqa: ANN401
    """Return a client with a plugin's settings, named as in ``CONNECTION_SETTINGS``.

    ``parts`` are its other arguments.

    Raises:
        SettingsError: a setting cannot work.
    """
    names = CONNECTION_SETTINGS
    options = {name: settings[name] for name in names if settings.get(name) is not None}
    return BookioClient(**{"auth_token": "", **options, **parts})
