"""Changes that Bookio's own users make: a day's worth, between two pages, or as a test orders."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from bookio_sandbox.people import People
from bookio_sandbox.services import public_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from bookio_sandbox.clock import Clock
    from bookio_sandbox.services import Services
    from bookio_sandbox.store import Store

DAY = 86_400
_FIRST_IDS = {"facilities": 101, "calendars": 301, "reservations": 1001, "blocked_times": 401}

Row = dict[str, Any]


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """One change of one row; exactly one of ``insert``, ``change`` and ``remove``.

    An inserted row needs no field: the rest is made up. ``_modified`` (epoch ms) and ``_unsynced``
    in ``insert`` and ``change`` set what Bookio keeps to itself.
    """

    stream: str
    insert: Row | None = None
    change: Row | None = None
    """With ``id`` and the fields that change."""
    remove: int | None = None


class Hook(msgspec.Struct, forbid_unknown_fields=True):
    """What happens just before a list is read: ``changes``, or ``churn`` seeded random ones."""

    operation: str
    skip: int = 0
    """List requests to let pass first."""
    times: int = 1
    changes: list[Change] = []
    churn: int = 0
    kinds: tuple[str, ...] = ("book", "cancel", "move", "remove")


class Life:
    """Changes rows as people would."""

    def __init__(self, store: Store, clock: Clock, services: Services, seed: int) -> None:
        """Change rows of ``store``; ``seed`` decides which."""
        self._store = store
        self._clock = clock
        self._services = services
        self._rng = random.Random(f"life {seed}")
        self._people = People(seed + 1, 200)
        self.hooks: list[Hook] = []
        self._kinds: dict[str, Callable[[], bool]] = {
            "book": self._book,
            "cancel": self._cancel,
            "move": self._move,
            "no-show": self._no_show,
            "remove": self._remove,
            "block": self._block,
            "unblock": self._unblock,
        }

    def days(self, count: int) -> dict[str, int]:
        """Let days pass; return how many changes of each kind they brought."""
        done = dict.fromkeys(self._kinds, 0)
        for _ in range(count):
            plan = self._plan()
            for kind in plan:
                self._clock.advance(DAY / len(plan))
                done[kind] += self._kinds[kind]()
        return done

    def _plan(self) -> list[str]:
        busy = 4 + self._store.counts()["reservations"] // 500
        plan = (
            ["book"] * busy
            + ["cancel"] * (1 + busy // 6)
            + ["move"] * (1 + busy // 8)
            + ["no-show"] * (1 + busy // 10)
            + ["block", "unblock"]
        )
        self._rng.shuffle(plan)
        return plan

    def before_list(self, operation: str) -> None:
        """Run the hooks of a list operation."""
        for hook in [hook for hook in self.hooks if hook.operation == operation]:
            if hook.skip:
                hook.skip -= 1
                continue
            for change in hook.changes:
                self.apply(change)
            for _ in range(hook.churn):
                self._kinds[self._rng.choice(hook.kinds)]()
            hook.times -= 1
            if not hook.times:
                self.hooks.remove(hook)

    def apply(self, change: Change) -> int | None:
        """Make one change; return the row's id. None if there is no such row."""
        if change.remove is not None:
            return change.remove if self._store.remove(change.stream, change.remove) else None
        fields = dict(change.insert or change.change or {})
        modified = fields.pop("_modified", self._clock.now_ms())
        unsynced = fields.pop("_unsynced", None)
        if change.change is None:
            row = self._made_up(change.stream, fields)
        else:
            stored = self._store.get(change.stream, fields["id"])
            if stored is None:
                return None
            row = stored.row
            unsynced = stored.unsynced if unsynced is None else unsynced
        self._store.put(change.stream, row | fields, modified, unsynced=bool(unsynced))
        row_id: int = (row | fields)["id"]
        return row_id

    def _made_up(self, stream: str, given: Row) -> Row:
        row_id = max(self._store.next_id(stream), _FIRST_IDS[stream])
        if stream == "facilities":
            return {"id": row_id, "name": f"Ambulancia {row_id}", "timeZone": "Europe/Bratislava"}
        facilities = self._store.ids("facilities")
        facility_id = given.get("facilityId", facilities[0] if facilities else None)
        day = (self._clock.now() + timedelta(days=self._rng.randrange(1, 30))).date()
        start = datetime(day.year, day.month, day.day, self._rng.randrange(8, 16))  # noqa: DTZ001
        row = {"id": row_id, "facilityId": facility_id, "note": None}
        if stream == "calendars":
            first, last = f"{day.year}-01-01T00:00:00", f"{day.year + 1}-12-31T00:00:00"
            services = self._services.with_ids([{"name": "Kontrola", "duration": 30, "capacity": 1}])
            return row | {
                "name": self._people.doctor(),
                "validFrom": first,
                "validTo": last,
                "services": services,
                "intervals": [],
            }
        row |= {"dateFrom": start.isoformat(), "externalId": None}
        if stream == "blocked_times":
            return row | {"dateTo": (start + timedelta(hours=1)).isoformat(), "note": "Porada"}
        return row | self._booking(row, given)

    def _booking(self, row: Row, given: Row) -> Row:
        offered = self._services.of_facility(row["facilityId"])
        service_id = given.get("serviceId") or self._rng.choice([*offered] or [None])
        service = offered.get(service_id)
        minutes = service.duration if service else 30
        start = datetime.fromisoformat(given.get("dateFrom", row["dateFrom"]))
        person = self._people.one(self._rng)
        return {
            "number": public_number(given.get("id", row["id"])),
            "serviceId": service_id,
            "service": service.name if service else None,
            "status": "CONFIRMED",
            "dateTo": (start + timedelta(minutes=minutes)).isoformat(),
            "duration": minutes,
            "created": self._wall(row["facilityId"]),
            "cancelTime": None,
            **person._asdict(),
        }

    def _wall(self, facility_id: int) -> str:
        facility = self._store.get("facilities", facility_id)
        zone = ZoneInfo(facility.row["timeZone"] if facility else "UTC")
        return f"{self._clock.now().astimezone(zone):%Y-%m-%dT%H:%M:%S}"

    def _book(self) -> bool:
        facilities = self._store.ids("facilities")
        if not facilities:
            return False
        insert = {"facilityId": self._rng.choice(facilities), "_unsynced": True}
        return self.apply(Change("reservations", insert=insert)) is not None

    def _cancel(self) -> bool:
        row = self._upcoming()
        return row is not None and self._edit(
            row,
            status="CANCELLED",
            cancelTime=self._wall(row["facilityId"]),
            cancellationReason="Nemôžem prísť",
        )

    def _move(self) -> bool:
        row = self._upcoming()
        if row is None:
            return False
        shift = timedelta(days=self._rng.randrange(1, 15))
        moved = {
            field: (datetime.fromisoformat(row[field]) + shift).isoformat()
            for field in ("dateFrom", "dateTo")
        }
        return self._edit(row, **moved)

    def _no_show(self) -> bool:
        now = f"{self._clock.now():%Y-%m-%dT%H:%M:%S}"
        week_ago = f"{self._clock.now() - timedelta(days=7):%Y-%m-%dT%H:%M:%S}"
        row = self._pick(
            "reservations",
            "date_from > ? AND date_from < ? AND status = 'CONFIRMED'",
            (week_ago, now),
        )
        return row is not None and self._edit(row, status="DID_NOT_COME")

    def _remove(self) -> bool:
        row = self._pick("reservations")
        return row is not None and self._store.remove("reservations", row["id"])

    def _block(self) -> bool:
        facilities = self._store.ids("facilities")
        if not facilities:
            return False
        insert = {"facilityId": self._rng.choice(facilities)}
        return self.apply(Change("blocked_times", insert=insert)) is not None

    def _unblock(self) -> bool:
        row = self._pick("blocked_times")
        return row is not None and self._store.remove("blocked_times", row["id"])

    def _edit(self, row: Row, **fields: object) -> bool:
        change = {"id": row["id"], "_unsynced": True, **fields}
        return self.apply(Change("reservations", change=change)) is not None

    def _upcoming(self) -> Row | None:
        now = f"{self._clock.now():%Y-%m-%dT%H:%M:%S}"
        return self._pick("reservations", "date_from > ? AND status = 'CONFIRMED'", (now,))

    def _pick(self, stream: str, where: str = "1", values: tuple[str, ...] = ()) -> Row | None:
        ids = self._store.ids(stream, where, values)
        stored = self._store.get(stream, self._rng.choice(ids)) if ids else None
        return stored.row if stored else None
