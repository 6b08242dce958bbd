"""The time zone of the facility whose rows are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bookio_api.errors import SettingsError
from bookio_api.localtime import DEFAULT_TIMEZONE, zone

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo


def zone_of(facility: Mapping[str, Any] | None) -> ZoneInfo:
    """Return its zone, or the default one if it has none that exists."""
    try:
        return zone(str((facility or {}).get("timeZone") or DEFAULT_TIMEZONE))
    except SettingsError:
        return zone(DEFAULT_TIMEZONE)
