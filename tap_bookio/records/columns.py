"""A column: the values that one field has in many records.

For a Python type, a field's rule gives the function that converts values of it, or none where they
stay as they are. It converts all of them at once, for that is what makes it fast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookio_api.localtime import OffsetClock

Kinds = frozenset[type]
"""The Python types of a column's values."""
Convert = Callable[[list[Any], "OffsetClock"], list[Any]]
"""Takes values of one type and the clock of their facility, and returns the values to emit.

They are the list itself where nothing of it changes.
"""


class FieldRule(Protocol):
    """Decides what to do with the values of one field."""

    @property
    def is_omitted(self) -> bool:
        """Whether the field is left out of records."""

    def converter(self, kind: type) -> Convert | None:
        """Return what converts values of this type, or ``None`` if they stay as they are."""


class Plan(NamedTuple):
    """The conversion of a column of some kinds."""

    kinds: Kinds
    is_omitted: bool
    converters: Mapping[type, Convert]
    """For those of its types whose values do not stay as they are."""

    @classmethod
    def of(cls, rule: FieldRule, kinds: Kinds) -> Plan:
        """Return a rule's conversion of a column of these kinds."""
        if rule.is_omitted:
            return cls(kinds, is_omitted=True, converters={})
        found = {kind: rule.converter(kind) for kind in kinds}
        converters = {kind: convert for kind, convert in found.items() if convert}
        return cls(kinds, is_omitted=False, converters=converters)

    def emitted(self, values: list[Any], clock: OffsetClock) -> list[Any]:
        """Return what is emitted for values of these kinds; the list itself if nothing changes.

        The values of each type are converted together.
        """
        if len(self.kinds) == 1:
            convert = self.converters.get(*self.kinds)
            return convert(values, clock) if convert else values
        by_kind = {kind: [value for value in values if type(value) is kind] for kind in self.kinds}
        emitted = {
            kind: self.converters[kind](alike, clock) if kind in self.converters else alike
            for kind, alike in by_kind.items()
        }
        if all(emitted[kind] is by_kind[kind] for kind in self.kinds):
            return values
        following = {kind: iter(alike) for kind, alike in emitted.items()}
        return [next(following[type(value)]) for value in values]
