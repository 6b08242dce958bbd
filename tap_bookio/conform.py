"""Makes a Bookio row fit its schema: offsets on datetimes, coercion where a type surprises."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import logging

    from bookio_api.localtime import OffsetClock

Row = dict[str, Any]

_NAIVE_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?")
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

    def __init__(self, stream: str, schema: dict[str, Any], logger: logging.Logger) -> None:
        """Prepare for a stream's JSON Schema."""
        self._stream = stream
        self._logger = logger
        self._warned: set[str] = set()
        self._root = _Shape(schema)

    def rows(self, rows: list[Row], clock: OffsetClock) -> list[Row]:
        """Return conformed copies of rows whose wall times are of the clock's zone."""
        return [self._object(row, self._root, clock, "") for row in rows]

    def _object(self, given: Row, shape: _Shape, clock: OffsetClock, path: str) -> Row:
        types, datetimes = shape.types, shape.datetimes
        row = given.copy()
        for key, value in given.items():
            if value is None:
                continue
            if key in datetimes:
                row[key] = self._datetime(value, clock, path + key)
            elif (expected := types.get(key)) is None:
                if value.__class__ in {str, dict, list}:
                    row[key] = _with_offsets(value, clock)
            elif value.__class__ not in expected:
                row[key] = self._repaired(value, expected[0], path + key)
            elif key in shape.children:
                row[key] = self._child(value, shape.children[key], clock, f"{path}{key}.")
        return row

    def _child(self, value: Any, shape: _Shape, clock: OffsetClock, path: str) -> Any:  # noqa: ANN401
        if isinstance(value, list):
            return [self._child(item, shape, clock, path) for item in value]
        return self._object(value, shape, clock, path) if isinstance(value, dict) else value

    def _datetime(self, value: object, clock: OffsetClock, field: str) -> str | None:
        moment = clock(value) if isinstance(value, str) else None
        if moment is None:
            self._warn(field, "is no datetime and left empty")
        return moment

    def _repaired(self, value: object, expected: type, field: str) -> object:
        repaired = _COERCIONS.get(expected, _nothing)(value)
        outcome = "left empty" if repaired is None else "converted"
        self._warn(field, f"is not of the type {expected.__name__} and was {outcome}")
        return repaired

    def _warn(self, field: str, what: str) -> None:
        if field not in self._warned:
            self._warned.add(field)
            self._logger.warning("%s.%s in at least one row %s", self._stream, field, what)


class _Shape:
    """What a JSON Schema says of an object, ready for look-ups."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.types: dict[str, tuple[type, ...]] = {}
        self.datetimes: set[str] = set()
        self.children: dict[str, _Shape] = {}
        for name, field in schema.get("properties", {}).items():
            kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
            kind = next(kind for kind in kinds if kind != "null")
            self.types[name] = _PYTHON_TYPES[kind]
            if field.get("format") == "date-time":
                self.datetimes.add(name)
            if kind in {"object", "array"}:
                self.children[name] = _Shape(field if kind == "object" else field.get("items", {}))


def _with_offsets(value: Any, clock: OffsetClock) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return (clock(value) or value) if _NAIVE_DATETIME.fullmatch(value) else value
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
