"""Changes by Bookio's users: over a day, between two pages, or on request of a test."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from bookio_api.contract import BLOCKED_TIMES, CANCELLED, DID_NOT_COME, FACILITIES, RESERVATIONS
from bookio_sandbox.world.invention import Invention

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bookio_sandbox.world.clock import Clock
    from bookio_sandbox.world.services import Services
    from bookio_sandbox.world.store import Store

Row = dict[str, Any]

_DAY = 86_400
_CHURN = {
    "list_reservations": ("book", "cancel", "move", "remove"),
    "list_blocked_times": ("block", "unblock"),
}


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """One change of one row: ``insert``, ``change`` or ``remove``.

    An inserted row needs no field: what is missing is made up. ``_modified`` (epoch ms) and
    ``_unsynced`` in ``insert`` and ``change`` set what Bookio does not show.
    """

    stream: str
    insert: Row | None = None
    change: Row | None = None
    """The ``id``, and the fields that change."""
    remove: int | None = None


class Hook(msgspec.Struct, forbid_unknown_fields=True):
    """Changes just before a list is read: ``changes``, and ``churn`` random ones from the seed."""

    operation: str
    skip: int = 0
    """How many list requests to let pass first."""
    times: int = 1
    """How many list requests it precedes."""
    changes: list[Change] = []
    churn: int = 0
    kinds: tuple[str, ...] = ()
    """Keys of ``Life.kinds``; by default those that fit the list."""


class Life:
    """Changes rows as the users of Bookio would."""

    def __init__(self, store: Store, clock: Clock, services: Services, seed: int) -> None:
        """Change rows of ``store``; ``seed`` decides which."""
        self._store = store
        self._clock = clock
        self._rng = random.Random(f"life {seed}")
        self._invention = Invention(store, clock, services, self._rng, seed)
        self.hooks: list[Hook] = []
        self.kinds: dict[str, Callable[[], bool]] = {
            "book": self._book,
            "cancel": self._cancel,
            "move": self._move,
            "no-show": self._no_show,
            "remove": self._remove,
            "block": self._block,
            "unblock": self._unblock,
        }

    def days(self, count: int) -> dict[str, int]:
        """Let days pass; return the number of changes by kind."""
        done = dict.fromkeys(self.kinds, 0)
        for _ in range(count):
            plan = self._plan()
            for kind in plan:
                self._clock.advance(_DAY / len(plan))
                done[kind] += self.kinds[kind]()
        return done

    def _plan(self) -> list[str]:
        booked = 4 + self._store.counts()[RESERVATIONS] // 500
        plan = ["book"] * booked + ["block", "unblock"]
        plan += ["cancel"] * (1 + booked // 6) + ["move"] * (1 + booked // 8)
        plan += ["no-show"] * (1 + booked // 10)
        self._rng.shuffle(plan)
        return plan

    def add(self, hook: Hook) -> None:
        """Install a hook. ``ValueError`` if it names an unknown kind of change."""
        hook.kinds = hook.kinds or _CHURN.get(hook.operation, ())
        if not set(hook.kinds) <= set(self.kinds) or (hook.churn and not hook.kinds):
            msg = f"kinds must be some of {', '.join(self.kinds)}"
            raise ValueError(msg)
        self.hooks.append(hook)

    def before_list(self, operation: str) -> None:
        """Run the hooks of a list operation."""
        for hook in [hook for hook in self.hooks if hook.operation == operation]:
            if hook.skip:
                hook.skip -= 1
                continue
            for change in hook.changes:
                self.apply(change)
            for _ in range(hook.churn):
                self.kinds[self._rng.choice(hook.kinds)]()
            hook.times -= 1
            if not hook.times:
                self.hooks.remove(hook)

    def apply(self, change: Change) -> int | None:
        """Make one change; return the row's id, or None if there is no such row."""
        if change.remove is not None:
            return change.remove if self._store.remove(change.stream, change.remove) else None
        fields = dict(change.change or change.insert or {})
        modified = fields.pop("_modified", self._clock.now_ms())
        unsynced = fields.pop("_unsynced", None)
        if change.change is None:
            row = self._invention.row(change.stream, fields)
        else:
            stored = self._store.get(change.stream, fields["id"])
            if stored is None:
                return None
            row = stored.row | fields
            unsynced = stored.unsynced if unsynced is None else unsynced
        self._store.put(change.stream, row, modified, unsynced=bool(unsynced))
        row_id: int = row["id"]
        return row_id

    def _book(self) -> bool:
        return self._insert(RESERVATIONS, _unsynced=True)

    def _block(self) -> bool:
        return self._insert(BLOCKED_TIMES)

    def _insert(self, stream: str, **fields: object) -> bool:
        facilities = self._store.ids(FACILITIES)
        if not facilities:
            return False
        fields["facilityId"] = self._rng.choice(facilities)
        return self.apply(Change(stream, insert=fields)) is not None

    def _cancel(self) -> bool:
        row = self._upcoming()
        return row is not None and self._edit(
            row,
            status=CANCELLED,
            cancelTime=self._invention.wall_time_now(row["facilityId"]),
            cancellationReason="Nemôžem prísť",
        )

    def _move(self) -> bool:
        row = self._upcoming()
        if row is None:
            return False
        shift = timedelta(weeks=self._rng.randrange(1, 3))
        start, end = (
            datetime.fromisoformat(row[field]) + shift for field in ("dateFrom", "dateTo")
        )
        return self._edit(row, dateFrom=start.isoformat(), dateTo=end.isoformat())

    def _no_show(self) -> bool:
        now = self._clock.now()
        lately = (f"{now - timedelta(days=7):%Y-%m-%dT%H:%M:%S}", f"{now:%Y-%m-%dT%H:%M:%S}")
        row = self._pick(RESERVATIONS, "date_from BETWEEN ? AND ? AND status = 'CONFIRMED'", lately)
        return row is not None and self._edit(row, status=DID_NOT_COME)

    def _remove(self) -> bool:
        row = self._pick(RESERVATIONS)
        return row is not None and self._store.remove(RESERVATIONS, row["id"])

    def _unblock(self) -> bool:
        row = self._pick(BLOCKED_TIMES)
        return row is not None and self._store.remove(BLOCKED_TIMES, row["id"])

    def _edit(self, row: Row, **fields: object) -> bool:
        change = {"id": row["id"], "_unsynced": True, **fields}
        return self.apply(Change(RESERVATIONS, change=change)) is not None

    def _upcoming(self) -> Row | None:
        now = f"{self._clock.now():%Y-%m-%dT%H:%M:%S}"
        return self._pick(RESERVATIONS, "date_from > ? AND status = 'CONFIRMED'", [now])

    def _pick(self, stream: str, where: str = "1", values: Sequence[str] = ()) -> Row | None:
        ids = self._store.ids(stream, where, values)
        stored = self._store.get(stream, self._rng.choice(ids)) if ids else None
        return stored.row if stored else None
