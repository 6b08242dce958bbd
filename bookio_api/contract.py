"""Every operation and every resource of the Bookio Medical Public API 1.0.4, once.

How well a fact is known is its evidence, and the tag stands beside the fact:

- ``C`` confirmed by the vendor's own page
- ``S`` confirmed only for a sister API of the same vendor
- ``G`` our guess
- ``U`` unknown

Methods and paths are tagged as a whole by ``Operation.evidence``; twelve of the fourteen are not
confirmed, so ``overrides.py`` corrects any of them from configuration, without a release.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from bookio_api.schemas import write_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

PRODUCTION_URL = "https://medic.bookio.com/public/api/v1"
"""Base of every path (C). No staging host is listed for the medical API (C)."""

MAX_PAGE_SIZE = 100
"""Largest ``limit`` of the two paged lists (C)."""

HOME_COUNTRY = "SK"
"""The country of Bookio's clinics, and of phone numbers without a country code."""

TERM = ("dateFrom", "dateTo")
"""Fields with the start and the end of a reservation or a blocked time (C)."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Evidence(StrEnum):
    """How well an API fact is known."""

    CONFIRMED = "C"
    SISTER_API = "S"
    GUESS = "G"
    UNKNOWN = "U"


class ReservationStatus(StrEnum):
    """Every ``status`` of a reservation (C). A change sends an e-mail to the patient (C)."""

    CONFIRMED = "CONFIRMED"
    CANCELLED = "CANCELLED"
    DID_NOT_COME = "DID_NOT_COME"


CONFIRMED, CANCELLED, DID_NOT_COME = ReservationStatus

FIRST_STATUS = CONFIRMED
"""The status of every new reservation (G)."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint.

    ``query`` names the filters that the list takes (all C; ``lang`` goes with every request).
    ``body`` names the JSON Schema of the request body in ``schemas/write/``, ``rows`` the key of
    the list in the response's ``data`` and ``evidence_rows`` how well that key is known.
    ``retry_safe`` operations change nothing and may be sent again at will.
    """

    name: str
    method: str
    path: str
    evidence: Evidence
    summary: str
    query: tuple[str, ...] = ()
    body: str | None = None
    rows: str | None = None
    evidence_rows: Evidence = Evidence.UNKNOWN
    retry_safe: bool = field(default=False, kw_only=True)

    @property
    def path_parameters(self) -> frozenset[str]:
        """Names in braces, for instance ``{"reservationId"}``."""
        return frozenset(re.findall(r"{(\w+)}", self.path))

    @property
    def paged(self) -> bool:
        """Whether the list takes ``offset`` and ``limit``."""
        return "offset" in self.query


C, S, G, U = Evidence

_ALL = (
    Operation(
        "list_facilities",
        "GET",
        "/facilities/cgm",
        C,
        "List of facilities",
        rows="facilities",
        evidence_rows=G,
        retry_safe=True,
    ),
    Operation(
        "list_calendars",
        "GET",
        "/calendars",
        C,
        "List of calendars",
        query=("date", "facilityId"),
        rows="calendars",
        evidence_rows=G,
        retry_safe=True,
    ),
    Operation("create_calendar", "POST", "/calendars", G, "Create calendar", body="calendar"),
    Operation(
        "modify_calendar", "PUT", "/calendars/{calendarId}", G, "Modify calendar", body="calendar"
    ),
    Operation(
        "end_calendar", "PUT", "/calendars/{calendarId}/end", G, "End calendar", body="calendar_end"
    ),
    Operation(
        "list_reservations",
        "GET",
        "/reservations",
        S,
        "List of reservations",
        query=(
            "email",
            "number",
            "status",
            "offset",
            "limit",
            "facilityId",
            "from",
            "to",
            "onlyUnsynced",
            "lastSync",
        ),
        rows="reservations",
        evidence_rows=S,
        retry_safe=True,
    ),
    Operation(
        "create_reservation", "POST", "/reservations", G, "Create reservation", body="reservation"
    ),
    Operation(
        "change_reservation_status",
        "PUT",
        "/reservations/{reservationId}/status",
        G,
        "Change status of reservation",
        body="reservation_status",
    ),
    Operation(
        "change_reservation_term",
        "PUT",
        "/reservations/{reservationId}/term",
        G,
        "Change term of reservation",
        body="reservation_term",
    ),
    Operation(
        "confirm_sync",
        "PUT",
        "/reservations/{reservationId}/sync",
        G,
        "Confirms sync of reservation",
        body="reservation_sync",
    ),
    Operation(
        "list_blocked_times",
        "GET",
        "/blocked-times",
        G,
        "List of blocked times",
        query=("dateFrom", "dateTo", "offset", "limit", "facilityId", "lastSync"),
        rows="blockedTimes",
        evidence_rows=G,
        retry_safe=True,
    ),
    Operation(
        "create_blocked_time",
        "POST",
        "/blocked-times",
        G,
        "Create blocked time",
        body="blocked_time",
    ),
    Operation(
        "change_blocked_time_term",
        "PUT",
        "/blocked-times/{blockedTimeId}/term",
        G,
        "Change term of blocked time",
        body="blocked_time_term",
    ),
    Operation(
        "remove_blocked_time", "DELETE", "/blocked-times/{blockedTimeId}", G, "Remove blocked time"
    ),
)

OPERATIONS: Mapping[str, Operation] = MappingProxyType({op.name: op for op in _ALL})
"""Every operation by its name, which is also its key in ``endpoint_overrides``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One kind of row, under the name of its stream.

    ``date_filters`` are the first-day and last-day filters of its list (C), ``id_parameter`` names
    its id in paths (C), and ``answered_as`` says where the response to a creation may contain the
    new row (U). ``changes`` names, for each operation that changes a row, the fields that it sets.
    """

    name: str
    list_operation: str
    date_filters: tuple[str, str] | None = None
    id_parameter: str = ""
    answered_as: str = ""
    create: str | None = None
    remove: str | None = None
    changes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def is_filtered_by(self, name: str) -> bool:
        """Whether the list takes a filter of this name."""
        return name in OPERATIONS[self.list_operation].query

    @property
    def operations(self) -> tuple[str, ...]:
        """Names of the operations that write rows of this kind."""
        named = (self.create, *self.changes, self.remove)
        return tuple(dict.fromkeys(name for name in named if name))

    @property
    def bodies(self) -> tuple[str, ...]:
        """Names of the request bodies that write rows of this kind, as in ``schemas/write/``."""
        return tuple(body for name in self.operations if (body := OPERATIONS[name].body))

    @property
    def changeable_fields(self) -> frozenset[str]:
        """Fields that an operation can change once the row exists."""
        return frozenset(name for fields in self.changes.values() for name in fields)

    @property
    def fixed_fields(self) -> tuple[str, ...]:
        """Fields that a creation sets and no operation changes, in the order of its body."""
        if self.create is None:
            return ()
        created = write_schema(OPERATIONS[self.create].body or "")["properties"]
        return tuple(f for f in created if f != "externalId" and f not in self.changeable_fields)


FACILITIES, CALENDARS = "facilities", "calendars"
RESERVATIONS, BLOCKED_TIMES = "reservations", "blocked_times"
"""Names of the four resources, which are also the names of the streams."""

RESOURCES: Mapping[str, Resource] = MappingProxyType(
    {
        resource.name: resource
        for resource in (
            Resource(name=FACILITIES, list_operation="list_facilities"),
            Resource(
                name=CALENDARS,
                list_operation="list_calendars",
                id_parameter="calendarId",
                answered_as="calendar",
                create="create_calendar",
                changes={
                    "modify_calendar": tuple(write_schema("calendar")["properties"]),
                    "end_calendar": ("validTo",),
                },
            ),
            Resource(
                name=RESERVATIONS,
                list_operation="list_reservations",
                date_filters=("from", "to"),
                id_parameter="reservationId",
                answered_as="reservation",
                create="create_reservation",
                changes={
                    "confirm_sync": ("externalId",),
                    "change_reservation_term": TERM,
                    "change_reservation_status": ("status",),
                },
            ),
            Resource(
                name=BLOCKED_TIMES,
                list_operation="list_blocked_times",
                date_filters=("dateFrom", "dateTo"),
                id_parameter="blockedTimeId",
                answered_as="blockedTime",
                create="create_blocked_time",
                remove="remove_blocked_time",
                changes={"change_blocked_time_term": TERM},
            ),
        )
    }
)
"""The four resources by name, in the order in which the tap reads them."""
