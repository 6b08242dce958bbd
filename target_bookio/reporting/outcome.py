"""The outcome of one record: what the report counts, and what its files contain."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from bookio_api.contract import RESOURCES
from target_bookio.record_reader import key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_bookio.desired import Desired


class OutcomeKind(StrEnum):
    """How a record ended."""

    CREATED = "created"
    CHANGED = "changed"
    CONFIRMED = "confirmed"
    REMOVED = "removed"
    UNCHANGED = "unchanged"
    CONFLICT = "conflict"
    REJECTED = "rejected"


class Reason(StrEnum):
    """Why a record is in the reject file."""

    INVALID = "invalid"
    """The record cannot be parsed, or cannot be written as it is."""
    REFUSED = "refused"
    """Bookio refused it; ``code`` says why."""
    IN_DOUBT = "in_doubt"
    """It was sent, but whether it arrived is unknown."""
    DUPLICATE = "duplicate"
    """Bookio has two rows with its ``externalId``."""
    OVERLAP = "overlap"
    """It overlaps with bookings, and ``on_overlap`` is ``reject``."""
    CONFLICT = "conflict"
    """Somebody changed the row in Bookio; counted as a conflict, not as a reject."""


WRITTEN = frozenset(
    {OutcomeKind.CREATED, OutcomeKind.CHANGED, OutcomeKind.CONFIRMED, OutcomeKind.REMOVED}
)
"""The outcomes for which something was sent or, in a dry run, would be."""


@dataclass(frozen=True, slots=True)
class Change:
    """The old and new value of a field: only a term or a status, which are not personal."""

    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one record; in a dry run, the expected outcome."""

    kind: OutcomeKind
    stream: str
    record: Mapping[str, Any]
    """The original record. It is written only with ``rejects_include_records``."""
    row_id: int | None = None
    """Bookio's id of the row, if it is known."""
    operations: tuple[str, ...] = ()
    code: int | None = None
    message: str = ""
    """One line without values of the record."""
    fields: tuple[str, ...] = ()
    """The fields that the message is about."""
    reason: Reason | None = None
    changes: tuple[Change, ...] = ()
    sent_fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The names of the fields in the request of each operation."""
    overlaps: tuple[str, ...] = ()
    """The keys of the bookings that it overlaps with."""
    key: Mapping[str, Any] = field(default_factory=dict)
    """The record's key in messages; by default taken from the record."""

    def __post_init__(self) -> None:
        """Fill in the key, and the reason of a conflict or reject without one."""
        if not self.key:
            object.__setattr__(self, "key", key_of(self.stream, self.record))
        if self.reason is None and self.kind is OutcomeKind.CONFLICT:
            object.__setattr__(self, "reason", Reason.CONFLICT)
        if self.reason is None and self.kind is OutcomeKind.REJECTED:
            reason = Reason.INVALID if self.code is None else Reason.REFUSED
            object.__setattr__(self, "reason", reason)

    @classmethod
    def of(cls, desired: Desired, kind: OutcomeKind, **more: Any) -> Outcome:  # noqa: ANN401
        """Return the outcome of a record that could be read; ``more`` are the other fields."""
        return cls(
            kind=kind,
            stream=desired.stream,
            record=desired.record,
            key=desired.key_fields,
            **more,
        )

    @property
    def counted_as(self) -> frozenset[OutcomeKind]:
        """The counts that it increments: one record may be both moved and confirmed."""
        if self.kind not in WRITTEN:
            return frozenset({self.kind})
        return frozenset(map(kind_of, self.operations)) or frozenset({self.kind})


def changes_between(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return the changes of term and status from a row to the planned one."""
    before = old or {}
    return tuple(
        Change(name, before.get(name), new.get(name))
        for name in _SHOWN_FIELDS
        if name in new and before.get(name) != new.get(name)
    )


def kind_of(operation: str) -> OutcomeKind:
    """Return what an operation does to a row."""
    return _KINDS.get(operation, OutcomeKind.CHANGED)


def written_kind(operations: Iterable[str]) -> OutcomeKind:
    """Return the outcome of a record for which these operations were sent."""
    kinds = set(map(kind_of, operations))
    order = (OutcomeKind.CREATED, OutcomeKind.REMOVED, OutcomeKind.CHANGED, OutcomeKind.CONFIRMED)
    return next((kind for kind in order if kind in kinds), OutcomeKind.UNCHANGED)


_SHOWN_FIELDS = ("dateFrom", "dateTo", "validFrom", "validTo", "status")
_KINDS = {
    **{resource.create: OutcomeKind.CREATED for resource in RESOURCES.values()},
    **{resource.remove: OutcomeKind.REMOVED for resource in RESOURCES.values()},
    "end_calendar": OutcomeKind.REMOVED,
    "confirm_sync": OutcomeKind.CONFIRMED,
}
