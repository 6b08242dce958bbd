"""The ten writes: validation, then what Bookio knows, then the change."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from bookio_sandbox.clock import wall_time
from bookio_sandbox.errors import DUPLICATE, NO_CAPACITY, NOT_FOUND, Refusal
from bookio_sandbox.services import public_number
from bookio_sandbox.validation import later, path_id, refuse_backwards, validated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bookio_sandbox.behaviour import Behaviour
    from bookio_sandbox.clock import Clock
    from bookio_sandbox.services import Services
    from bookio_sandbox.store import Store, Stored

Row = dict[str, Any]

_TAKEN = ("name", "surname", "email", "phone", "locale", "note", "externalId")


class Writes:
    """Carries out every write operation on the store."""

    def __init__(self, store: Store, clock: Clock, services: Services) -> None:
        """Write to ``store`` at the time of ``clock``."""
        self._store = store
        self._clock = clock
        self._services = services
        self._handlers: dict[str, Callable[[int, Row, Behaviour], Row]] = {
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
        """Carry out a write and return the encoded ``data``. ``Refusal`` if Bookio says no."""
        row_id = path_id(path)
        values = validated(name, body)
        row = self._handlers[name](row_id, values, behaviour)
        if behaviour.write_answer == "nothing":
            return b"{}"
        return msgspec.json.encode(row if behaviour.write_answer == "row" else {"id": row["id"]})

    def _create_calendar(self, _: int, values: Row, __: Behaviour) -> Row:
        self._facility(values["facilityId"])
        row = {"id": self._store.next_id("calendars"), **values}
        row["services"] = self._services.with_ids(values["services"])
        return self._save("calendars", row)

    def _modify_calendar(self, row_id: int, values: Row, _: Behaviour) -> Row:
        row = self._known("calendars", row_id).row
        self._facility(values["facilityId"])
        services = self._services.with_ids(values["services"])
        return self._save("calendars", row | values | {"services": services})

    def _end_calendar(self, row_id: int, values: Row, _: Behaviour) -> Row:
        row = self._known("calendars", row_id).row
        if values.get("facilityId", row["facilityId"]) != row["facilityId"]:
            raise Refusal(NOT_FOUND, "facilityId: the calendar belongs to another facility")
        return self._save("calendars", row | {"validTo": values["validTo"]})

    def _create_reservation(self, _: int, values: Row, behaviour: Behaviour) -> Row:
        facility = self._facility(values["facilityId"])
        service = self._services.of_facility(facility["id"]).get(values["serviceId"])
        if service is None:
            raise Refusal(NOT_FOUND, "serviceId: the facility has no such service")
        start = datetime.fromisoformat(values["dateFrom"])
        row_id = self._store.next_id("reservations")
        row = {
            "id": row_id,
            "number": public_number(row_id),
            "facilityId": values["facilityId"],
            "serviceId": values["serviceId"],
            "service": service.name,
            "status": "CONFIRMED",
            "dateFrom": values["dateFrom"],
            "dateTo": later(start, service.duration),
            "duration": service.duration,
            "created": self._wall(facility),
            "cancelTime": None,
            "note": None,
        } | {field: values[field] for field in _TAKEN if field in values}
        if behaviour.duplicate_check:
            self._refuse_duplicate(row)
        if behaviour.capacity_check:
            self._refuse_full(row)
        return self._save("reservations", row)

    def _change_status(self, row_id: int, values: Row, behaviour: Behaviour) -> Row:
        row = self._known("reservations", row_id).row
        status = values["status"]
        reason = values.get("cancellationReason")
        row |= {"status": status, "cancelTime": None}
        row.pop("cancellationReason", None)
        if status == "CANCELLED":
            row["cancelTime"] = self._wall(self._facility(row["facilityId"]))
            if reason is not None:
                row["cancellationReason"] = reason
        elif status == "CONFIRMED" and behaviour.capacity_check:
            self._refuse_full(row)
        self._save("reservations", row)
        self._store.send_email(row, status, reason, self._clock.now_ms())
        return row

    def _change_term(self, row_id: int, values: Row, behaviour: Behaviour) -> Row:
        row = self._known("reservations", row_id).row
        start = datetime.fromisoformat(values["dateFrom"])
        end = values.get("dateTo") or later(start, row["duration"])
        refuse_backwards(values["dateFrom"], end)
        minutes = int((datetime.fromisoformat(end) - start).total_seconds()) // 60
        row |= {"dateFrom": values["dateFrom"], "dateTo": end, "duration": minutes}
        if behaviour.capacity_check and row["status"] == "CONFIRMED":
            self._refuse_full(row)
        return self._save("reservations", row)

    def _confirm_sync(self, row_id: int, values: Row, _: Behaviour) -> Row:
        row = self._known("reservations", row_id).row
        row["externalId"] = values["externalId"]
        self._store.put("reservations", row, self._clock.now_ms(), unsynced=False)
        return row

    def _create_blocked_time(self, _: int, values: Row, __: Behaviour) -> Row:
        self._facility(values["facilityId"])
        refuse_backwards(values["dateFrom"], values["dateTo"])
        fields = ("facilityId", "dateFrom", "dateTo", "note", "externalId")
        row = {"id": self._store.next_id("blocked_times")} | {f: values[f] for f in fields}
        return self._save("blocked_times", row)

    def _change_blocked_time(self, row_id: int, values: Row, _: Behaviour) -> Row:
        row = self._known("blocked_times", row_id).row
        refuse_backwards(values["dateFrom"], values["dateTo"])
        return self._save(
            "blocked_times", row | {"dateFrom": values["dateFrom"], "dateTo": values["dateTo"]}
        )

    def _remove_blocked_time(self, row_id: int, _: Row, __: Behaviour) -> Row:
        row = self._known("blocked_times", row_id).row
        self._store.remove("blocked_times", row_id)
        return row

    def _save(self, stream: str, row: Row) -> Row:
        """Store a row as modified now; a row that waits for confirm sync goes on waiting."""
        before = self._store.get(stream, row["id"])
        unsynced = before is not None and before.unsynced
        self._store.put(stream, row, self._clock.now_ms(), unsynced=unsynced)
        return row

    def _known(self, stream: str, row_id: int) -> Stored:
        stored = self._store.get(stream, row_id)
        if stored is None:
            raise Refusal(NOT_FOUND, f"there is no {stream[:-1].replace('_', ' ')} {row_id}")
        return stored

    def _facility(self, facility_id: int) -> Row:
        stored = self._store.get("facilities", facility_id)
        if stored is None:
            raise Refusal(NOT_FOUND, f"facilityId: there is no facility {facility_id}")
        return stored.row

    def _wall(self, facility: Row) -> str:
        return wall_time(self._clock.now_ms(), ZoneInfo(facility["timeZone"]))

    def _refuse_duplicate(self, row: Row) -> None:
        same = self._store.ids(
            "reservations",
            "facility_id = ? AND external_id = ?",
            (row["facilityId"], row["externalId"]),
        )
        if same:
            raise Refusal(DUPLICATE, f"externalId: {row['externalId']} is booked already")
        same = self._store.ids(
            "reservations",
            "email = ? AND date_from = ? AND facility_id = ? AND status != 'CANCELLED'",
            (row["email"], row["dateFrom"], row["facilityId"]),
        )
        if same:
            raise Refusal(DUPLICATE, f"email: {row['email']} is booked at {row['dateFrom']}")

    def _refuse_full(self, row: Row) -> None:
        service = self._services.of_facility(row["facilityId"]).get(row["serviceId"])
        taken = self._store.ids(
            "reservations",
            "service_id = ? AND date_from < ? AND date_to > ?"
            " AND status != 'CANCELLED' AND id != ?",
            (row["serviceId"], row["dateTo"], row["dateFrom"], row["id"]),
        )
        if service and len(taken) >= service.capacity:
            raise Refusal(NO_CAPACITY, f"dateFrom: {service.name} is full at {row['dateFrom']}")
