"""Maps columns to fields: warehouses fold case, and sources write ``external_id``.

A column matches a field with the same letters, ignoring case, underscores and hyphens. A column
that nearly matches is assumed to be misspelt, and its record is rejected; any other is ignored,
with one warning.
"""

from __future__ import annotations

import logging
import re
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.contract import RESOURCES
from bookio_api.schemas import stream_schema, write_schema
from bookio_singer.expected import EXPECTED

if TYPE_CHECKING:
    from collections.abc import Mapping

DELETED_AT = "_sdc_deleted_at"
"""Marks a row as removed in its source; singer-sdk's name."""

_METADATA_PREFIX = "_sdc_"
_ALIKE = 0.8
"""Minimum similarity, from 0 to 1, of a column that counts as a misspelt field."""
_MIN_SLIP_LENGTH = 4
"""Minimum length of a field's name: any short word resembles ``id``."""
_IDENTIFIER = re.compile(
    r"(?!.*\d{5})(?=.{1,64}\Z)_*(?:[a-z][A-Za-z0-9]*|[A-Z][A-Z0-9]*)"
    r"(?:[_.$-]+(?:[a-z0-9][A-Za-z0-9]*|[A-Z0-9]+))*"
)
"""``dateFrom``, ``referring_doctor``, ``PUBLIC-VISITS``.

In a file without a header the first patient's data become the names of the columns, so names that
look like a person's name, a number or an address are not shown.
"""

logger = logging.getLogger(__name__)


class Columns(NamedTuple):
    """What the columns of a record mean."""

    fields: Mapping[str, tuple[str, ...]]
    """The columns of each field, the field's own name first."""
    slips: Mapping[str, str]
    """Columns that look like misspelt fields, each with its field."""


@cache
def writable_fields(stream: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the JSON Schema of every field that some operation on the stream takes."""
    fields = {"id": stream_schema(stream)["properties"]["id"]}
    for body in RESOURCES[stream].bodies:
        for name, schema in write_schema(body)["properties"].items():
            fields.setdefault(name, schema)
    return fields


@lru_cache(maxsize=256)
def columns_of(stream: str, names: tuple[str, ...]) -> Columns:
    """Return the fields of a record's columns; warn once about each unknown column."""
    known = {_letters(field): field for field in (*writable_fields(stream), DELETED_AT, EXPECTED)}
    fields: dict[str, tuple[str, ...]] = {}
    slips: dict[str, str] = {}
    for name in names:
        if field := known.get(_letters(name)):
            others = fields.get(field, ())
            fields[field] = (name, *others) if name == field else (*others, name)
        elif field := _slip(stream, name, known):
            slips[name] = field
        elif not _is_expected_to_be_ignored(stream, name):
            _warn_of_unknown(stream, name)
    return Columns(fields, slips)


def shown_name(column: str) -> str:
    """Return the name of a column or stream for messages, unless it may be a patient's data."""
    return column if _IDENTIFIER.fullmatch(column) else "(not shown: it may be a person's data)"


def _letters(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).casefold()


def _slip(stream: str, name: str, known: Mapping[str, str]) -> str | None:
    if _is_expected_to_be_ignored(stream, name):
        return None
    fields = [letters for letters in known if len(letters) >= _MIN_SLIP_LENGTH]
    alike = get_close_matches(_letters(name), fields, 1, _ALIKE)
    return known[alike[0]] if alike else None


def _is_expected_to_be_ignored(stream: str, name: str) -> bool:
    """Whether loaders add it, or tap-bookio emits it and no write accepts it."""
    return name.casefold().startswith(_METADATA_PREFIX) or _letters(name) in _emitted(stream)


@cache
def _emitted(stream: str) -> frozenset[str]:
    return frozenset(map(_letters, stream_schema(stream)["properties"]))


@cache
def _warn_of_unknown(stream: str, name: str) -> None:
    """Warn once per process, that is, per run."""
    logger.warning(
        "%s: the column %s is not a field of Bookio, so it is ignored",
        stream,
        shown_name(name),
    )
