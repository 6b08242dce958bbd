"""Bookio as it may differ from what the contract assumes: ``--variant NAME``.

A variant is a JSON file under ``variants/``: other paths, a behaviour, and a shape of responses.
The rows themselves stay the same, so what a client makes of two variants can be compared.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

FOLDER = Path(__file__).parent.parent / "variants"
_DATETIMES = ("dateFrom", "dateTo", "validFrom", "validTo", "created", "cancelTime")


class Shape(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The form of responses where the vendor's page shows none (U)."""

    code_field: str | None = "errorCode"
    """Name of the field that carries the error code; None sends no code."""
    code_place: Literal["result", "top"] = "result"
    rows_keys: dict[str, str] = {}
    """The name of the list in ``data``, by operation."""
    bare_lists: bool = False
    """``data`` is the list itself."""
    total_as: Literal["number", "text", "float", "page"] = "number"
    """``page`` counts the rows of the response, not of the list."""
    numbers_as_text: tuple[str, ...] = ()
    """Fields whose numbers are sent as text."""
    datetime_form: Literal["seconds", "minutes", "blank", "offset"] = "seconds"
    """``2018-06-29T12:00:00``, ``…T12:00``, ``2018-06-29 12:00:00`` or ``…T12:00:00+02:00``."""
    renamed: dict[str, str] = {}
    """Fields of rows that have another name."""
    added: dict[str, Any] = {}
    """Additional fields of every row."""
    absent: tuple[str, ...] = ()
    """Fields that no row has."""


class Variant(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One variant of Bookio."""

    description: str
    endpoints: dict[str, str] = {}
    """Other methods and paths, as in the setting ``endpoint_overrides``."""
    behaviour: dict[str, Any] = {}
    """Fields of ``Behaviour``."""
    shape: Shape = Shape()


def variant_names() -> list[str]:
    """Return the names of all variants."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load_variant(name: str) -> Variant:
    """Return a variant. ``ValueError`` names those that exist."""
    if name not in variant_names():
        msg = f"unknown variant {name!r}; use one of: {', '.join(variant_names())}"
        raise ValueError(msg)
    return msgspec.json.decode((FOLDER / f"{name}.json").read_bytes(), type=Variant)


def shape_list(
    shape: Shape, operation: str, rows_key: str, data: bytes, zones: Mapping[int, tzinfo]
) -> bytes:
    """Return the encoded ``data`` of a list as this shape writes it.

    ``zones`` are those of the facilities, for datetimes that carry an offset.
    """
    if shape == Shape():
        return data
    decoded = msgspec.json.decode(data)
    rows = [_shape_row(shape, row, zones) for row in decoded.pop(rows_key)]
    if shape.bare_lists:
        return msgspec.json.encode(rows)
    total = decoded.get("pagination", {}).get("total")
    if total is not None and shape.total_as != "number":
        shapes = {"text": str(total), "float": float(total), "page": len(rows)}
        decoded["pagination"]["total"] = shapes[shape.total_as]
    return msgspec.json.encode(decoded | {shape.rows_keys.get(operation, rows_key): rows})


def shape_error(shape: Shape, document: dict[str, Any]) -> dict[str, Any]:
    """Return the envelope of an error, which has its code under ``result.errorCode``."""
    result = dict(document["result"])
    code = result.pop("errorCode")
    if shape.code_field is None:
        return {"result": result}
    if shape.code_place == "top":
        return {"result": result, shape.code_field: code}
    return {"result": {**result, shape.code_field: code}}


def _shape_row(shape: Shape, row: dict[str, Any], zones: Mapping[int, tzinfo]) -> dict[str, Any]:
    shaped = {}
    zone = zones.get(row.get("facilityId", 0), UTC)
    for name, value in row.items():
        if name in shape.absent:
            continue
        shown = value
        if name in shape.numbers_as_text and value is not None:
            shown = str(value)
        elif name in _DATETIMES and isinstance(value, str):
            shown = _shape_datetime(shape, value, zone)
        shaped[shape.renamed.get(name, name)] = shown
    return shaped | shape.added


def _shape_datetime(shape: Shape, text: str, zone: tzinfo) -> str:
    if shape.datetime_form == "minutes":
        return text.removesuffix(":00") if text.count(":") > 1 else text
    if shape.datetime_form == "blank":
        return text.replace("T", " ")
    if shape.datetime_form == "offset":
        return datetime.fromisoformat(text).replace(tzinfo=zone).isoformat()
    return text
