"""Makes a Bookio row fit its schema: offsets on datetimes, coercion where a type surprises."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from bookio_api.localtime import OffsetClock
    from tap_bookio.records.field_warnings import FieldWarnings

Row = dict[str, Any]

_NAIVE_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?")
_DEEPEST = 100
"""Levels of containers in a field; Python recurses a thousand times, loaders too."""
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (float, int),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


class Conformer:
    """Conforms the rows of one stream; those given stay as they are, for the scan compares them.

    Fields that the schema does not know pass through; where their text is a datetime without
    offset, it gets one. A value of an unexpected type is coerced if that loses nothing, else it
    becomes null; each field warns once.
    """

    def __init__(self, schema: dict[str, Any], warnings: FieldWarnings) -> None:
        """Prepare for a stream's JSON Schema."""
        self._warn = warnings.warn
        self._root = _Shape(schema)

    def rows(self, rows: list[Row], clock: OffsetClock) -> list[Row]:
        """Return conformed copies of rows whose wall times are of the clock's zone."""
        return self._objects(rows, self._root, clock, "")

    def _objects(
        self, objects: list[Row], shape: _Shape, clock: OffsetClock, path: str
    ) -> list[Row]:
        conformed = []
        form: list[object] | None = None
        work = _Work((), ())
        for given in objects:
            its_form = [*given, *map(type, given.values())]
            if its_form != form:
                form = its_form
                work = shape.work.get(tuple(form)) or shape.work_on(given, tuple(form))
            row = given.copy()
            for key in work.dates:
                row[key] = clock.rfc3339(given[key]) or self._field(
                    key, given[key], shape, clock, path
                )
            for key in work.others:
                deep = _is_deeper(given[key], _DEEPEST)
                row[key] = None if deep else self._field(key, given[key], shape, clock, path)
                if deep:
                    self._warn(path + key, "is nested too deep in at least one row and left empty")
            conformed.append(row)
        return conformed

    def _field(self, key: str, value: Any, shape: _Shape, clock: OffsetClock, path: str) -> Any:  # noqa: ANN401
        if key in shape.datetimes:
            moment = clock.rfc3339(value) if isinstance(value, str) else None
            if moment is None:
                self._warn(path + key, "is no datetime in at least one row and left empty")
            return moment
        expected = shape.types.get(key)
        if expected is None:
            return _with_offsets(value, clock)
        if value.__class__ in shape.sent_as.get(key, ()):
            return _COERCIONS[expected[0]](value)
        if value.__class__ not in expected:
            return self._repaired(value, expected[0], path + key)
        if key in shape.children:
            return self._child(value, shape.children[key], clock, f"{path}{key}.")
        return value

    def _child(self, value: Any, shape: _Shape, clock: OffsetClock, path: str) -> Any:  # noqa: ANN401
        if isinstance(value, list):
            return [
                self._objects([item], shape, clock, path)[0] if isinstance(item, dict) else item
                for item in value
            ]
        return self._objects([value], shape, clock, path)[0]

    def _repaired(self, value: object, expected: type, field: str) -> object:
        repaired = _COERCIONS.get(expected, _nothing)(value)
        outcome = "left empty" if repaired is None else "converted"
        self._warn(
            field, f"is not of the type {expected.__name__} in at least one row and was {outcome}"
        )
        return repaired


class _Work(NamedTuple):
    """What is to be done with all objects that have the same names and types."""

    dates: tuple[str, ...]
    """Texts where datetimes are due."""
    others: tuple[str, ...]
    """Other values that cannot just stay as they are."""


class _Shape:
    """What a JSON Schema says of an object, ready for look-ups."""

    _MOST_FORMS, _LONGEST_FORM = 200, 2_000

    def __init__(self, schema: dict[str, Any]) -> None:
        self.types: dict[str, tuple[type, ...]] = {}
        self.sent_as: dict[str, tuple[type, ...]] = {}
        """What Bookio is known to send instead: it is converted without a warning."""
        self.datetimes: set[str] = set()
        self.children: dict[str, _Shape] = {}
        self.work: dict[tuple[object, ...], _Work] = {}
        """What to do by form: an object's names, and the types of its values."""
        for name, field in schema.get("properties", {}).items():
            kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
            kind = next(kind for kind in kinds if kind != "null")
            self.types[name] = _PYTHON_TYPES[kind]
            if "x-sent-as" in field:
                self.sent_as[name] = _PYTHON_TYPES[field["x-sent-as"]]
            if field.get("format") == "date-time":
                self.datetimes.add(name)
            if kind in {"object", "array"}:
                self.children[name] = _Shape(field if kind == "object" else field.get("items", {}))

    def work_on(self, row: Row, form: tuple[object, ...]) -> _Work:
        """Return, and remember, what to do with objects of this form."""
        dates, others = [], []
        for name, value in row.items():
            if name in self.datetimes and isinstance(value, str):
                dates.append(name)
            elif value is not None and (
                name in self.datetimes
                or name in self.children
                or not isinstance(value, self.types.get(name, int | float))
                or isinstance(value, bool) != (bool in self.types.get(name, (type(value),)))
            ):
                others.append(name)
        work = _Work(tuple(dates), tuple(others))
        if len(self.work) >= self._MOST_FORMS:
            self.work.clear()
        if len(form) <= self._LONGEST_FORM:
            self.work[form] = work
        return work


def _is_deeper(value: object, levels: int) -> bool:
    """Whether containers are nested deeper than this."""
    if not isinstance(value, dict | list):
        return False
    items = value.values() if isinstance(value, dict) else value
    return not levels or any(_is_deeper(item, levels - 1) for item in items)


def _with_offsets(value: Any, clock: OffsetClock) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return (clock.rfc3339(value) or value) if _NAIVE_DATETIME.fullmatch(value) else value
    if isinstance(value, dict):
        return {key: _with_offsets(item, clock) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_offsets(item, clock) for item in value]
    return value


def _to_text(value: object) -> str:
    return msgspec.json.encode(value).decode() if not isinstance(value, str) else value


def _to_integer(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,18}(\.0+)?\s*", value):
        return int(float(value)) if "." in value else int(value)
    return None


def _to_number(value: object) -> float | None:
    try:
        number = float(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return number if number is not None and abs(number) < float("inf") else None


def _to_boolean(value: object) -> bool | None:
    return {"true": True, "false": False, "1": True, "0": False}.get(str(value).lower())


def _nothing(_: object) -> None:
    return None


_COERCIONS: dict[type, Callable[[object], object]] = {
    str: _to_text,
    int: _to_integer,
    float: _to_number,
    bool: _to_boolean,
}
