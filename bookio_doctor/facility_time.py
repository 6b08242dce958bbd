"""Reads times in rows as the tap does: local to the facility whose rows are looked at."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from bookio_api.errors import SettingsError
from bookio_api.localtime import DEFAULT_TIMEZONE, to_epoch_ms, to_wall, zone

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo


def zone_of(facility: Mapping[str, Any] | None) -> ZoneInfo:
    """Return its zone, or the default one if it has none that exists."""
    try:
        return zone(str((facility or {}).get("timeZone") or DEFAULT_TIMEZONE))
    except SettingsError:
        return zone(DEFAULT_TIMEZONE)


def day_of(value: object, tz: ZoneInfo) -> date | None:
    """Return the facility's day of a datetime; ``None`` if it is not one that the tap reads."""
    try:
        return date.fromisoformat(to_wall(value, tz)[:10]) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


def epoch_ms_of(value: object, tz: ZoneInfo) -> int | None:
    """Return a datetime in epoch ms; ``None`` if it is not one that the tap reads."""
    try:
        return to_epoch_ms(value, tz) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None
