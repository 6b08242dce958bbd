"""What each write operation changes."""

from __future__ import annotations

from enum import StrEnum

from bookio_api.contract import RESOURCES


class Effect(StrEnum):
    """What a request changes. The journal stores these values: never rename one."""

    CREATE = "create"
    TERM = "term"
    STATUS = "status"
    SYNC = "sync"
    REMOVE = "remove"
    MODIFY = "modify"
    END = "end"


EFFECTS = {
    "confirm_sync": Effect.SYNC,
    "change_reservation_term": Effect.TERM,
    "change_blocked_time_term": Effect.TERM,
    "change_reservation_status": Effect.STATUS,
    "modify_calendar": Effect.MODIFY,
    "end_calendar": Effect.END,
    **{resource.create: Effect.CREATE for resource in RESOURCES.values() if resource.create},
    **{resource.remove: Effect.REMOVE for resource in RESOURCES.values() if resource.remove},
}
