"""The ten writes: validate the body, check it against the rows, then change them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from bookio_api.contract import (
    BLOCKED_TIMES,
    CALENDARS,
    CANCELLED,
    CONFIRMED,
    FACILITIES,
    FIRST_STATUS,
    RESERVATIONS,
)
from bookio_api.errors import Code
from bookio_sandbox.api.errors import Refusal
from bookio_sandbox.api.validation import check_term, later, path_id, validated
from bookio_sandbox.world.clock import wall_time
from bookio_sandbox.world.services import public_number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bookio_sandbox.api.behaviour import Behaviour
    from bookio_sandbox.world.clock import Clock
    from bookio_sandbox.world.services import Services
    from bookio_sandbox.world.store import Store, Stored

Row = dict[str, Any]


class Write(NamedTuple):
    """A write whose body is valid."""

    row_id: int
    """The id in its path; 0 if there is none."""
    values: Row
    """Its body; ``{}`` if there is none."""
    behaviour: Behaviour


class Writes:
    """Carries out every write operation on the store."""

    def __init__(self, store: Store, clock: Clock, services: Services) -> None:
        """Write to ``store`` at the time of ``clock``."""
        self._store = store
        self._clock = clock
        self._services = services
        self.numbered: set[tuple[str, int]] = set()
        """Rows, by stream and id, whose ``externalId`` came through the API."""
        self._is_unseen = False
        """Whether ``lastSync`` misses the current write; set by `answer`."""
        self._handlers: dict[str, Callable[[Write], Row]] = {
            "create_calendar": self._create_calendar,
            "modify_calendar": self._modify_calendar,
            "end_calendar": self._end_calendar,
            "create_reservation": self._create_reservation,
            "change_reservation_status": self._change_status,
            "change_reservation_term": self._change_term,
            "confirm_sync": self._confirm_sync,
            "create_blocked_time": self._create_blocked_time,
            "change_blocked_time_term": self._change_blocked_time,
            "remove_blocked_time": self._remove_blocked_time,
        }

    def answer(
        self, name: str, path: Mapping[str, str], body: bytes, behaviour: Behaviour
    ) -> bytes:
        """Carry out a write and return the encoded ``data``. ``Refusal`` if Bookio refuses it."""
        self._is_unseen = behaviour.last_sync_misses_writes
        row = self._handlers[name](Write(path_id(path), validated(name, body), behaviour))
        if behaviour.write_answer == "nothing":
            return b"{}"
        return msgspec.json.encode(row if behaviour.write_answer == "row" else {"id": row["id"]})

    def _create_calendar(self, write: Write) -> Row:
        self._facility(write.values["facilityId"])
        services = self._services.with_ids(write.values["services"])
        return self._insert(CALENDARS, write.values | {"services": services})

    def _modify_calendar(self, write: Write) -> Row:
        calendar = self._existing(CALENDARS, write.row_id)
        self._facility(write.values["facilityId"])
        services = self._services.with_ids(write.values["services"])
        return self._update(CALENDARS, calendar, write.values | {"services": services})

    def _end_calendar(self, write: Write) -> Row:
        calendar = self._existing(CALENDARS, write.row_id)
        facility_id = calendar.row["facilityId"]
        if write.values.get("facilityId", facility_id) != facility_id:
            raise Refusal(Code.NOT_FOUND, "facilityId: the calendar belongs to another facility")
        return self._update(CALENDARS, calendar, {"validTo": write.values["validTo"]})

    def _create_reservation(self, write: Write) -> Row:
        booked = write.values
        facility = self._facility(booked["facilityId"])
        service = self._services.of_facility(facility["id"]).get(booked["serviceId"])
        if service is None:
            raise Refusal(Code.NOT_FOUND, "serviceId: the facility has no such service")
        start = datetime.fromisoformat(booked["dateFrom"])
        row_id = self._store.next_id(RESERVATIONS)
        row = {
            "id": row_id,
            "number": public_number(row_id),
            "service": service.name,
            "status": FIRST_STATUS,
            "dateTo": later(start, service.duration),
            "duration": service.duration,
            "created": self._wall(facility),
            "cancelTime": None,
            "note": None,
            **booked,
        }
        if write.behaviour.duplicate_check:
            self._refuse_duplicate(row)
        if write.behaviour.capacity_check:
            self._refuse_full(row)
        return self._insert(RESERVATIONS, row)

    def _change_status(self, write: Write) -> Row:
        reservation = self._existing(RESERVATIONS, write.row_id)
        row = reservation.row
        status = write.values["status"]
        if status == CONFIRMED and write.behaviour.capacity_check:
            self._refuse_full(row)
        row.pop("cancellationReason", None)
        changes = {"status": status, "cancelTime": None}
        if status == CANCELLED:
            cancelled = self._wall(self._facility(row["facilityId"]))
            changes = write.values | {"cancelTime": cancelled}
        self._store.send_email(
            row, status, write.values.get("cancellationReason"), self._clock.now_ms()
        )
        return self._update(RESERVATIONS, reservation, changes)

    def _change_term(self, write: Write) -> Row:
        reservation = self._existing(RESERVATIONS, write.row_id)
        start = datetime.fromisoformat(write.values["dateFrom"])
        end = write.values.get("dateTo") or later(start, reservation.row["duration"])
        check_term(write.values["dateFrom"], end)
        term = {
            "dateFrom": write.values["dateFrom"],
            "dateTo": end,
            "duration": int((datetime.fromisoformat(end) - start).total_seconds()) // 60,
        }
        if write.behaviour.capacity_check and reservation.row["status"] != CANCELLED:
            self._refuse_full(reservation.row | term)
        return self._update(RESERVATIONS, reservation, term)

    def _confirm_sync(self, write: Write) -> Row:
        reservation = self._existing(RESERVATIONS, write.row_id)
        synced = reservation._replace(unsynced=False)
        return self._update(RESERVATIONS, synced, write.values)

    def _create_blocked_time(self, write: Write) -> Row:
        self._facility(write.values["facilityId"])
        check_term(write.values["dateFrom"], write.values["dateTo"])
        return self._insert(BLOCKED_TIMES, write.values)

    def _change_blocked_time(self, write: Write) -> Row:
        blocked = self._existing(BLOCKED_TIMES, write.row_id)
        check_term(write.values["dateFrom"], write.values["dateTo"])
        return self._update(BLOCKED_TIMES, blocked, write.values)

    def _remove_blocked_time(self, write: Write) -> Row:
        blocked = self._existing(BLOCKED_TIMES, write.row_id)
        self._store.remove(BLOCKED_TIMES, write.row_id)
        return blocked.row

    def _insert(self, stream: str, values: Row) -> Row:
        row = {"id": self._store.next_id(stream), **values}
        modified = 0 if self._is_unseen else self._clock.now_ms()
        self._store.put(stream, row, modified, unsynced=False)
        self.numbered.add((stream, row["id"]))
        return row

    def _update(self, stream: str, stored: Stored, changes: Row) -> Row:
        """Change a row; it stays unsynced if it was."""
        row = stored.row | changes
        modified = stored.modified if self._is_unseen else self._clock.now_ms()
        self._store.put(stream, row, modified, unsynced=stored.unsynced)
        if "externalId" in changes:
            self.numbered.add((stream, row["id"]))
        return row

    def _existing(self, stream: str, row_id: int) -> Stored:
        stored = self._store.get(stream, row_id)
        if stored is None:
            raise Refusal(Code.NOT_FOUND, f"there is no {stream[:-1].replace('_', ' ')} {row_id}")
        return stored

    def _facility(self, facility_id: int) -> Row:
        stored = self._store.get(FACILITIES, facility_id)
        if stored is None:
            raise Refusal(Code.NOT_FOUND, f"facilityId: there is no facility {facility_id}")
        return stored.row

    def _wall(self, facility: Row) -> str:
        return wall_time(self._clock.now_ms(), ZoneInfo(facility["timeZone"]))

    def _refuse_duplicate(self, row: Row) -> None:
        """Refuse a booking that exists already; what Bookio itself compares is unknown (U)."""
        same_number = self._store.count(
            RESERVATIONS,
            "facility_id = ? AND external_id = ?",
            (row["facilityId"], row["externalId"]),
        )
        if same_number:
            raise Refusal(Code.DUPLICATE, f"externalId: {row['externalId']} is already booked")
        same_visit = self._store.count(
            RESERVATIONS,
            "email = ? AND date_from = ? AND facility_id = ? AND status != 'CANCELLED'",
            (row["email"], row["dateFrom"], row["facilityId"]),
        )
        if same_visit:
            raise Refusal(Code.DUPLICATE, f"email: {row['email']} is booked at {row['dateFrom']}")

    def _refuse_full(self, row: Row) -> None:
        service = self._services.of_facility(row["facilityId"]).get(row["serviceId"])
        taken = self._store.count(
            RESERVATIONS,
            "service_id = ? AND date_from < ? AND date_to > ?"
            " AND status != 'CANCELLED' AND id != ?",
            (row["serviceId"], row["dateTo"], row["dateFrom"], row["id"]),
        )
        if service and taken >= service.capacity:
            raise Refusal(
                Code.NO_CAPACITY, f"dateFrom: {service.name} is full at {row['dateFrom']}"
            )
