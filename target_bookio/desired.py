"""What a Singer record asks for, parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.localtime import to_wall
from target_bookio.field_readers import DATETIMES
from target_bookio.field_values import DATETIME_FORM, is_instant

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo


class RecordError(Exception):
    """A record cannot be written; the message and the fields say why, without values."""

    def __init__(self, message: str, fields: tuple[str, ...] = ()) -> None:
        """Keep the names of the invalid fields."""
        super().__init__(message)
        self.fields = fields


class Desired(NamedTuple):
    """One record: its key, and the values that it sets; ``None`` sets nothing."""

    stream: str
    key: str
    """``id:17``, ``externalId:42``, or ``name:…`` for a calendar without id."""
    values: Mapping[str, Any]
    deleted: bool
    record: Mapping[str, Any]
    """The original record."""
    place: int = 0
    """Its position in the input."""
    wish: str = ""
    """Digest of its values, by which a repeated record is recognised (rule 11)."""
    fixed: Mapping[str, str] = {}
    """Digests of its personal fields, as the mirror keeps them."""
    expected: Mapping[str, Any] = {}
    """Term and status as the source last read them, from ``_bookio_expected``; may be empty.

    If Bookio's value differs, the source did not know it, which is a conflict.
    """

    @property
    def id(self) -> int | None:
        """Bookio's id of the row."""
        return self.values.get("id")

    @property
    def external_id(self) -> int | None:
        """The number in the clinic's own system."""
        return self.values.get("externalId")

    @property
    def facility_id(self) -> int | None:
        """The facility, if the record names it."""
        return self.values.get("facilityId")

    @property
    def key_fields(self) -> dict[str, Any]:
        """The fields of its key, for messages."""
        for name in ("id", "externalId"):
            if name in self.values:
                return {name: self.values[name]}
        return {name: self.values[name] for name in ("facilityId", "name")}

    @property
    def names(self) -> list[str]:
        """Every key of its row that the record contains."""
        values = self.values
        return [f"{name}:{values[name]}" for name in ("id", "externalId") if name in values]

    def in_zone(self, tz: ZoneInfo, *, is_known: bool = True) -> Desired:
        """Return it with every datetime in the facility's wall time, or raise ``RecordError``.

        If the zone is unknown, only wall times are accepted: an instant would be converted with our
        default zone, and booked at a wrong time.
        """
        names = DATETIMES[self.stream]
        walls = _walls(self.values, names, tz, is_known=is_known)
        expected = _walls(self.expected, names, tz, is_known=is_known)
        return self._replace(
            values={**self.values, **walls}, expected={**self.expected, **expected}
        )


def _walls(
    values: Mapping[str, Any], names: frozenset[str], tz: ZoneInfo, *, is_known: bool
) -> dict[str, str]:
    walls = {}
    for name in names & values.keys():
        if not is_known and is_instant(values[name]):
            msg = (
                f"{name}: has an offset, but the time zone of its facility is unknown; send the "
                "facility's local time, without offset"
            )
            raise RecordError(msg, (name,))
        try:
            walls[name] = to_wall(values[name], tz)
        except ValueError as error:
            msg = f"{name}: expected {DATETIME_FORM}"
            raise RecordError(msg, (name,)) from error
    return walls
