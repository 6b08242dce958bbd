"""From a row to a record in one walk: types, time zone and privacy together.

Rows of one list look alike. What must be done is decided once for each *form*, which is the names
of a row's fields and the types of their values, and then carried out for every row of that form:
most fields need nothing at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tap_bookio.records.coercions import MAX_INT64, MIN_INT64
from tap_bookio.records.containers import MIN_DATETIME_LENGTH
from tap_bookio.records.field_rules import Step, UnknownField

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookio_api.localtime import OffsetClock
    from tap_bookio.records.field_rules import Convert, FieldRule, Policy

Row = dict[str, Any]

HOW_TO_GET_A_COLUMN = (
    "is not in the schema, so it is emitted but most loaders give it no column; to get one, list "
    "it with its type in the catalog (with Meltano: in the extra `schema` of tap-bookio)"
)


class Form(NamedTuple):
    """What is done with all objects that have the same names and types, field by field."""

    datetimes: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    """Fields of unknown meaning; a datetime among them is recognised by its looks."""
    integers: tuple[str, ...] = ()
    converted: tuple[tuple[str, Convert], ...] = ()
    dropped: tuple[str, ...] = ()


class RecordBuilder:
    """Makes records of the objects in one place of a schema. Used by one thread at a time."""

    _MAX_FORMS, _MAX_FORM_LENGTH = 200, 2_000

    def __init__(self, path: str, fields: Mapping[str, FieldRule], policy: Policy) -> None:
        """Take the rules of the known fields; ``path`` is that of the object and ends in a dot."""
        self._path = path
        self._fields = fields
        self._policy = policy
        self._forms: dict[tuple[object, ...], Form] = {}

    def records(self, objects: list[Row], clock: OffsetClock) -> list[Row]:
        """Return what is emitted for objects whose wall times are of the clock's zone.

        Those given stay as they are, for the scan compares them.
        """
        rfc3339 = clock.rfc3339
        records = []
        shape: list[object] = []
        form = Form()
        for row in objects:
            # Nearly always the form is that of the row before, and a comparison is enough.
            its_shape = [*row, *map(type, row.values())]
            if its_shape != shape:
                shape = its_shape
                form = self._forms.get(tuple(shape)) or self._form_of(row, tuple(shape))
            record = row.copy()
            for name in form.datetimes:
                text = row[name]
                record[name] = rfc3339(text) or self._convert(name, text, clock)
            for name in form.texts:
                text = row[name]
                if len(text) >= MIN_DATETIME_LENGTH and text[4] == "-":
                    record[name] = rfc3339(text) or text
            for name in form.integers:
                if not MIN_INT64 <= row[name] <= MAX_INT64:
                    record[name] = self._convert(name, row[name], clock)
            for name, convert in form.converted:
                record[name] = convert(row[name], clock)
            for name in form.dropped:
                del record[name]
            records.append(record)
        return records

    def _form_of(self, row: Row, shape: tuple[object, ...]) -> Form:
        """Return, and remember, what is to be done with objects like this one."""
        names: dict[Step, list[str]] = {step: [] for step in Step}
        for name, value in row.items():
            if name not in self._fields:
                self._warn_of_unknown(name)
            names[self._rule(name).step(type(value))].append(name)
        form = Form(
            datetimes=tuple(names[Step.DATETIME]),
            texts=tuple(names[Step.TEXT]),
            integers=tuple(names[Step.INTEGER]),
            converted=tuple(
                (name, self._rule(name).converter(type(row[name]))) for name in names[Step.CONVERT]
            ),
            dropped=tuple(names[Step.DROP]),
        )
        # A server chooses the names, so what is remembered of them has bounds.
        if len(self._forms) >= self._MAX_FORMS:
            self._forms.clear()
        if len(shape) <= self._MAX_FORM_LENGTH:
            self._forms[shape] = form
        return form

    def _rule(self, name: str) -> FieldRule:
        return self._fields.get(name) or UnknownField(self._path + name, self._policy)

    def _convert(self, name: str, value: object, clock: OffsetClock) -> object:
        """Convert a value that turned out to be an exception of its form."""
        return self._rule(name).converter(type(value))(value, clock)

    def _warn_of_unknown(self, name: str) -> None:
        if self._policy.is_private:
            problem = (
                f"is not in the schema, so personal_data={self._policy.personal_data} leaves it "
                "out; list it in the catalog if it names no person"
            )
        elif not self._path:
            problem = HOW_TO_GET_A_COLUMN
        else:
            return  # it is stored with the object that contains it
        self._policy.warnings.warn(self._path + name, problem)
