"""Which facilities a token sees, and in which time zone each of them keeps its calendar."""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.errors import (
    AuthError,
    BookioError,
    PermissionDeniedError,
    SettingsError,
    TransportError,
)
from bookio_api.localtime import DEFAULT_TIMEZONE, OffsetClock, zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from zoneinfo import ZoneInfo

    from bookio_api.client import BookioClient

_LONG = 10**9

logger = logging.getLogger(__name__)


class Facility(NamedTuple):
    """A facility to scan; without id all that the token sees are scanned as one."""

    id: int | None
    clock: OffsetClock
    is_zone_known: bool = False
    """Whether Bookio names the zone; else ``clock`` keeps the default one."""


class Facilities:
    """The facilities of one run, asked for once."""

    def __init__(self, client: BookioClient, settings: Mapping[str, Any]) -> None:
        """Take ``facility_ids`` and ``default_timezone`` from the settings."""
        self._client = client
        self._wanted = settings.get("facility_ids") or []
        self._default = zone(settings.get("default_timezone") or DEFAULT_TIMEZONE)

    server_time_ms: int | None = None
    """Bookio's clock when it listed the facilities, in epoch ms; set by `rows`."""
    out_of_scope: tuple[Facility, ...] = ()
    """Facilities that the token sees and ``facility_ids`` leaves out; set by `rows`."""

    @cached_property
    def rows(self) -> list[dict[str, Any]] | None:
        """Rows of the facilities in scope, or ``None`` if the token may not list them."""
        try:
            page = self._client.list_page("list_facilities", {})
        except (PermissionDeniedError, AuthError) as error:
            if isinstance(error, AuthError):
                self._check_token(error)
            logger.warning(
                "The token may not list facilities: reading on with the time zone %s for all",
                self._default.key,
            )
            return None
        self.server_time_ms = page.server_time_ms
        by_id = {row["id"]: row for row in page.rows}
        missing = [wanted for wanted in self._wanted if wanted not in by_id]
        if missing:
            msg = (
                f"facility_ids names {', '.join(map(str, missing))}, which the token cannot see; "
                f"it sees {_shown(by_id)}"
            )
            raise SettingsError(msg)
        in_scope = [row for key, row in by_id.items() if not self._wanted or key in self._wanted]
        others = (row for row in by_id.values() if row not in in_scope)
        self.out_of_scope = tuple(map(self._facility, others))
        return in_scope

    @cached_property
    def in_scope(self) -> list[Facility]:
        """The facilities to scan, in the order of the list."""
        if self.rows is None:
            return [Facility(key, OffsetClock(self._default)) for key in self._wanted or [None]]
        return list(map(self._facility, self.rows))

    @cached_property
    def _by_id(self) -> dict[int | None, Facility]:
        return {facility.id: facility for facility in self.in_scope}

    def __getitem__(self, facility_id: int | None) -> Facility:
        """Return a facility in scope."""
        return self._by_id[facility_id]

    def time_zone(self, facility_id: int | None) -> ZoneInfo:
        """Return the zone of a facility, or the default one if it is not in scope."""
        facility = self._by_id.get(facility_id)
        return facility.clock.tz if facility else self._default

    def knows_zone(self, facility_id: int | None) -> bool:
        """Whether Bookio names the zone of a facility, so that an instant can be placed in it."""
        facility = self._by_id.get(facility_id)
        return facility is not None and facility.is_zone_known

    def _facility(self, row: dict[str, Any]) -> Facility:
        name = row.get("timeZone")
        with suppress(SettingsError):
            if isinstance(name, str):
                return Facility(row["id"], OffsetClock(zone(name)), is_zone_known=True)
        logger.warning(
            "Facility %s has no known timeZone: taking %s", _shown([row["id"]]), self._default.key
        )
        return Facility(row["id"], OffsetClock(self._default))

    def _check_token(self, error: AuthError) -> None:
        """Code 20 may mean a wrong token, or only a missing right (C): ask something else."""
        first = self._wanted[0] if self._wanted else None
        try:
            self._client.call(
                "list_reservations", query={"facilityId": first, "limit": 1, "offset": 0}
            )
        except AuthError:
            raise error from None
        except TransportError:
            raise
        except BookioError:
            return  # it was understood, and refused for another reason


def _shown(ids: Iterable[int]) -> str:
    """Return ids for a message, but none that is long enough to be a phone number."""
    return ", ".join(str(key) if abs(key) < _LONG else "(a long number)" for key in ids) or "none"
