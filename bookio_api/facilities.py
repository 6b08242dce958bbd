"""The facilities that a token can see, and the time zone of each."""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.contract import FACILITIES, RESERVATIONS, RESOURCES
from bookio_api.errors import (
    AuthError,
    BookioError,
    ContractError,
    PermissionDeniedError,
    SettingsError,
    TransportError,
)
from bookio_api.localtime import DEFAULT_TIMEZONE, OffsetClock, zone
from bookio_api.scan.pages import total_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from zoneinfo import ZoneInfo

    from bookio_api.client import BookioClient
    from bookio_api.scan.pages import Page

MIN_HIDDEN_ID = 10**9
"""Numbers from here on are as long as phone numbers, and are not shown."""

logger = logging.getLogger(__name__)


class Facility(NamedTuple):
    """A facility to scan; without an id, all that the token can see are scanned as one."""

    id: int | None
    clock: OffsetClock
    is_zone_known: bool = False
    """Whether Bookio names the zone; otherwise ``clock`` uses the default one."""


class Listing(NamedTuple):
    """What Bookio lists, split by ``facility_ids``."""

    in_scope: list[dict[str, Any]] | None
    """``None`` if the token may not list facilities."""
    others: list[dict[str, Any]]
    server_time_ms: int | None


class Facilities:
    """The facilities of one run, requested once, when first needed."""

    def __init__(self, client: BookioClient, settings: Mapping[str, Any]) -> None:
        """Take ``facility_ids`` and ``default_timezone`` from the settings."""
        self._client = client
        self._wanted = settings.get("facility_ids") or []
        self._default = zone(settings.get("default_timezone") or DEFAULT_TIMEZONE)

    @property
    def rows(self) -> list[dict[str, Any]] | None:
        """Rows of the facilities in scope, or ``None`` if the token may not list them."""
        return self._listing.in_scope

    @property
    def server_time_ms(self) -> int | None:
        """Bookio's clock when it listed the facilities, or refused to, in epoch ms."""
        return self._listing.server_time_ms

    @cached_property
    def out_of_scope(self) -> tuple[Facility, ...]:
        """Facilities that the token can see but ``facility_ids`` leaves out."""
        return tuple(map(self._facility, self._listing.others))

    def unseen(self, facility_ids: Iterable[int]) -> list[int]:
        """Return those that Bookio does not list; none if the token may not list facilities."""
        if self.rows is None:
            return []
        rows = (*self.rows, *self._listing.others)
        return sorted(set(facility_ids) - {row["id"] for row in rows})

    @cached_property
    def _listing(self) -> Listing:
        """What the token can see."""
        try:
            page = self._client.list_page(RESOURCES[FACILITIES].list_operation, {})
        except (PermissionDeniedError, AuthError) as error:
            if isinstance(error, AuthError):
                self._check_token(error)
            logger.warning(
                "The token may not list facilities: continuing with the time zone %s for all; "
                "if that is wrong, set default_timezone",
                self._default.key,
            )
            return Listing(None, [], error.server_time_ms)
        if lack := rows_lacking(page):
            msg = (
                f"list_facilities: {lack}, so some facilities would never be read; please report "
                "this line"
            )
            raise ContractError(msg, operation=RESOURCES[FACILITIES].list_operation)
        by_id = {row["id"]: row for row in page.rows}
        missing = [wanted for wanted in self._wanted if wanted not in by_id]
        if missing:
            msg = (
                f"facility_ids contains {', '.join(map(str, missing))}, which the token cannot "
                f"see; it sees {_shown(by_id)}"
            )
            raise SettingsError(msg)
        scope = set(self._wanted or by_id)
        return Listing(
            [row for key, row in by_id.items() if key in scope],
            [row for key, row in by_id.items() if key not in scope],
            page.server_time_ms,
        )

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

    def get(self, facility_id: int | None, default: Facility) -> Facility:
        """Return a facility in scope, or the default for any other."""
        return self._by_id.get(facility_id, default)

    def leaves_out(self, facility_id: int | None) -> bool:
        """Whether Bookio lists a facility that ``facility_ids`` leaves out."""
        return any(facility_id == facility.id for facility in self.out_of_scope)

    def is_in_scope(self, facility_id: int) -> bool:
        """Whether a facility is in scope; any is where the token may list none."""
        return facility_id in self._by_id or None in self._by_id

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
            "Facility %s has no valid timeZone: using default_timezone, %s",
            _shown([row["id"]]),
            self._default.key,
        )
        return Facility(row["id"], OffsetClock(self._default))

    def _check_token(self, error: AuthError) -> None:
        """Find out with another request whether the token is wrong, or only lacks a permission.

        Code 20 may mean either (C). Raises the error if the token is wrong.
        """
        first = self._wanted[0] if self._wanted else None
        try:
            operation = RESOURCES[RESERVATIONS].list_operation
            self._client.call(operation, query={"facilityId": first, "limit": 1, "offset": 0})
        except AuthError:
            raise error from None
        except TransportError:
            raise
        except BookioError:
            return  # the token was accepted, but the request refused for another reason


def rows_lacking(page: Page) -> str | None:
    """Return that a list without pages came in part, if its total says so."""
    if page.total is None or page.total <= len(page.rows):
        return None
    return f"Bookio sent only {len(page.rows)} rows of {total_text(page.total)}"


def _shown(ids: Iterable[int]) -> str:
    """Return ids for a message, without those that could be a phone number."""
    texts = (str(key) if abs(key) < MIN_HIDDEN_ID else "(a long number)" for key in ids)
    return ", ".join(texts) or "none"
