"""Catalogs: what a user may change, and how SCHEMA and RECORD agree in any case.

Catalogs are written by Meltano, by hand and by older versions of this tap. The rules:

1. Keys and cursor are ours. A catalog without them, or with others, would make a loader append.
2. An overridden type is applied: records are converted to it. Null stays possible,
   because any field except a key may be missing. A keyword that cannot be applied to records, such
   as ``enum``, is refused before the first request.
3. A field that the catalog leaves out is not emitted.
4. Rules for a field inside a list of objects work like those for a field inside an object.
"""

from __future__ import annotations

import json
import logging
from typing import IO, TYPE_CHECKING, Any

from jsonschema import Draft7Validator, SchemaError
from singer_sdk.singerlib import Catalog, MetadataMapping, Schema
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, Metadata

from bookio_api.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from singer_sdk import Stream
    from singer_sdk.singerlib import CatalogEntry

JsonSchema = dict[str, Any]
Breadcrumb = tuple[str, ...]

ADVICE = "make one with `tap-bookio --discover`"
KEY_TYPES = frozenset({"integer", "number", "string"})
FOLLOWED = frozenset(
    {
        "type",
        "format",
        "properties",
        "items",
        "required",
        "additionalProperties",
        "title",
        "description",
        "default",
        "deprecated",
        "$schema",
        "$id",
        "x-sql-datatype",
        "x-sql-datatype-properties",
    }
)
"""Keywords that can be applied to records, and those without an effect on them."""
FORMATS = frozenset({None, "date-time"})
_AVAILABLE = Metadata.InclusionType.AVAILABLE
_AUTOMATIC = Metadata.InclusionType.AUTOMATIC

logger = logging.getLogger("tap-bookio")


def read_catalog(file: IO[str], streams: Collection[str]) -> dict[str, Any]:
    """Return the catalog in a file of JSON; it selects from these streams.

    Raises:
        SettingsError: it is not a catalog, or names none of the streams.
    """
    document: dict[str, Any] = json.load(file)
    try:
        entries = Catalog.from_dict(document).streams
        _check_breadcrumbs(document)
        for entry in entries:
            Draft7Validator.check_schema(entry.schema.to_dict())
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError, SchemaError) as error:
        msg = f"--catalog is JSON, but not a Singer catalog; {ADVICE}"
        raise SettingsError(msg) from error
    if not any(entry.tap_stream_id in streams for entry in entries):
        names = ", ".join(streams)
        msg = f"--catalog names none of {names}, so nothing would be read; {ADVICE}"
        raise SettingsError(msg)
    return document


def _check_breadcrumbs(document: dict[str, Any]) -> None:
    """Raise ``TypeError`` for a breadcrumb that is neither empty nor the path of a field."""
    for stream in document.get("streams", ()):
        for rule in stream.get("metadata") or ():
            crumbs = rule["breadcrumb"]
            is_path = isinstance(crumbs, list) and all(isinstance(crumb, str) for crumb in crumbs)
            if not is_path or (crumbs and not _names(crumbs)):
                raise TypeError


def adapt_entry(entry: CatalogEntry, listed: JsonSchema, stream: Stream) -> None:
    """Change an entry of a user's catalog by the rules above.

    ``listed`` is its schema, less what ``personal_data`` omits; the stream is as it was discovered.

    Raises:
        SettingsError: the entry has a keyword that cannot be applied to records.
    """
    if entry.stream not in {None, stream.name}:
        logger.warning(
            "The catalog gives %s another name, which has no effect; to rename it, set __alias__ "
            "in stream_maps",
            stream.name,
        )
    entry.stream = stream.name
    metadata = entry.metadata = _without_items(entry.metadata)
    if "properties" not in listed:
        listed = stream.schema
    if not metadata:
        metadata.root.selected = True  # so the SDK has it, until its first entry is ours
    _keep_keys(entry, stream.primary_keys, stream.replication_key)
    for crumb in missing_fields(listed, stream.schema):
        metadata[crumb] = Metadata(inclusion=_AVAILABLE, selected=False)
    for key in stream.primary_keys:
        metadata["properties", key] = Metadata(inclusion=_AUTOMATIC)
    followed = _followed(listed, stream.schema, stream.name, frozenset(stream.primary_keys))
    deselected = deselected_in_lists(followed, metadata.resolve_selection())
    entry.schema = Schema.from_dict(without(followed, deselected))


def _keep_keys(entry: CatalogEntry, keys: Sequence[str], cursor: str | None) -> None:
    """Rule 1. A user may choose ``FULL_TABLE``, but no other method."""
    root = entry.metadata.root
    other_keys = entry.key_properties or root.table_key_properties or keys
    other_cursor = entry.replication_key or root.replication_key or cursor
    if list(other_keys) != list(keys) or other_cursor != cursor:
        logger.warning(
            "The catalog gives %s other keys, which has no effect: its key is %s, its "
            "replication key %s",
            entry.tap_stream_id,
            ", ".join(keys),
            cursor or "none",
        )
    entry.key_properties = root.table_key_properties = list(keys)
    entry.replication_key = root.replication_key = cursor
    methods = {entry.replication_method, root.forced_replication_method}
    is_full = cursor is not None and REPLICATION_FULL_TABLE in methods
    entry.replication_method = REPLICATION_FULL_TABLE if is_full else None
    root.forced_replication_method = entry.replication_method


def _without_items(metadata: MetadataMapping) -> MetadataMapping:
    """Rule 4: write ``properties, services, items, properties, note`` without ``items``."""
    plain = MetadataMapping()
    for breadcrumb, rule in metadata.items():
        plain[tuple(part for name in _names(breadcrumb) for part in ("properties", name))] = rule
    return plain


def _names(breadcrumb: Sequence[str]) -> list[str]:
    """Return the names in a breadcrumb.

    A field may be named items: those that follow a name are the keyword.
    """
    return [crumb for place, crumb in enumerate(_paired(breadcrumb)) if place % 2]


def _paired(breadcrumb: Sequence[str]) -> Iterator[str]:
    """Yield keyword and name in turn, without the keyword ``items``, which no name follows."""
    is_name = False
    for crumb in breadcrumb:
        if is_name or crumb != "items":
            yield crumb
            is_name = not is_name


def _followed(listed: JsonSchema, own: JsonSchema, path: str, keys: frozenset[str]) -> JsonSchema:
    """Rule 2, for a field and all below it. ``keys`` are those of the stream, at its root."""
    for keyword in listed.keys() - FOLLOWED:
        if listed[keyword] != own.get(keyword):
            raise _refused(path, keyword)
    if listed.get("additionalProperties") is False:
        raise _refused(path, "additionalProperties")
    if listed.get("format") not in FORMATS | {own.get("format")}:
        raise _refused(path, "format")
    followed = {name: value for name, value in listed.items() if name != "required"}
    if keys:
        followed["required"] = sorted(keys)
    if "properties" in listed:
        below = own.get("properties", {})
        fields = {**{key: below[key] for key in keys if key in below}, **listed["properties"]}
        followed["properties"] = {
            name: _followed_field(field, below.get(name, {}), f"{path}.{name}", is_key=name in keys)
            for name, field in fields.items()
        }
    if "items" in listed:
        items = own.get("items", {})
        if items and set(kinds_of(listed["items"])) - {"null"} != set(kinds_of(items)) - {"null"}:
            raise _refused(path, "items")
        followed["items"] = _followed_field(listed["items"], items, f"{path}[]", is_key=False)
    return followed


def _followed_field(field: JsonSchema, own: JsonSchema, path: str, *, is_key: bool) -> JsonSchema:
    if "type" not in field:
        return _followed({**field, **own}, own, path, frozenset())
    kinds = kinds_of(field)
    if is_key:
        if not KEY_TYPES.issuperset(kinds):
            raise _refused(path, "type")
    elif kinds == ["null"]:
        raise _refused(path, "type")  # no value fits
    elif "null" not in kinds:
        field = {**field, "type": [*kinds, "null"]}
    return _followed(field, own, path, frozenset())


def _refused(path: str, keyword: str) -> SettingsError:
    return SettingsError(
        f"the catalog's schema of {path} has a {keyword!r} that records cannot be made to follow; "
        f"remove it from the catalog, or from the schema extra in meltano.yml"
    )


def kinds_of(field: JsonSchema) -> list[str]:
    """Return the JSON types that a field may have; none where its schema does not say."""
    kinds = field.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def missing_fields(
    listed: JsonSchema, own: JsonSchema, above: Breadcrumb = ()
) -> Iterator[Breadcrumb]:
    """Rule 3: yield the breadcrumbs of our own fields that a catalog leaves out."""
    fields = listed.get("properties")
    for name, field in own.get("properties", {}).items():
        crumb = (*above, "properties", name)
        if fields is None:
            return  # it lists an object without its properties
        if name not in fields:
            yield crumb
        else:
            yield from missing_fields(_inner(fields[name]), _inner(field), crumb)


def fields_in_lists(
    schema: JsonSchema, above: Breadcrumb = (), *, in_list: bool = False
) -> Iterator[Breadcrumb]:
    """Yield the breadcrumbs of the fields that are inside a list of objects."""
    for name, field in schema.get("properties", {}).items():
        crumb = (*above, "properties", name)
        if in_list:
            yield crumb
        yield from fields_in_lists(_inner(field), crumb, in_list=in_list or "items" in field)


def deselected_in_lists(schema: JsonSchema, mask: Mapping[Breadcrumb, bool]) -> list[Breadcrumb]:
    """Return the breadcrumbs of deselected fields inside lists, which the SDK ignores."""
    return [crumb for crumb in fields_in_lists(schema) if not mask[crumb]]


def without(schema: JsonSchema, crumbs: Collection[Breadcrumb]) -> JsonSchema:
    """Return a schema without the fields at these breadcrumbs."""
    if not crumbs:
        return schema
    left = dict(schema)
    if "items" in schema:
        left["items"] = without(schema["items"], crumbs)
    if "properties" in schema:
        left["properties"] = {
            name: without(field, _below(crumbs, name))
            for name, field in schema["properties"].items()
            if ("properties", name) not in crumbs
        }
    return left


def record_without(record: Any, crumbs: Collection[Breadcrumb]) -> Any:  # noqa: ANN401
    """Return a copy of a record without the fields at these breadcrumbs."""
    if not crumbs:
        return record
    if isinstance(record, list):
        return [record_without(item, crumbs) for item in record]
    if isinstance(record, dict):
        return {
            name: record_without(value, _below(crumbs, name))
            for name, value in record.items()
            if ("properties", name) not in crumbs
        }
    return record


def _below(crumbs: Collection[Breadcrumb], name: str) -> list[Breadcrumb]:
    return [crumb[2:] for crumb in crumbs if crumb[:2] == ("properties", name) and crumb[2:]]


def _inner(field: JsonSchema) -> JsonSchema:
    """Return the schema that holds the fields of an object, or of the objects in a list."""
    items: JsonSchema = field.get("items", field)
    return items
