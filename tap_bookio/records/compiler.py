"""Compiles the schemas of a stream into rules, once, before its first row.

Two schemas meet. The *own* one is the file in ``schemas/``: it knows which fields are personal and
what Bookio is known to send. The *emitted* one goes out as SCHEMA, and records agree with it: a
catalog may have changed its types and added fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_bookio.records.field_rules import DatetimeField, PersonalField, TypedField, UnknownField
from tap_bookio.records.privacy import PersonalData
from tap_bookio.records.record_builder import RecordBuilder

if TYPE_CHECKING:
    from tap_bookio.records.columns import FieldRule
    from tap_bookio.records.field_rules import Policy

Schema = dict[str, Any]


def record_builder(emitted: Schema, own: Schema, policy: Policy) -> RecordBuilder:
    """Return the builder of a stream's records."""
    return _object("", emitted, own, policy)


def _object(path: str, emitted: Schema, own: Schema | None, policy: Policy) -> RecordBuilder:
    known = (own or {}).get("properties") or {}
    listed = emitted.get("properties") or {}
    fields = {
        name: _field(path + name, _schema(listed.get(name)), known.get(name), policy)
        for name in known | listed
    }
    return RecordBuilder(path, fields, policy)


def _field(path: str, emitted: Schema, own: Schema | None, policy: Policy) -> FieldRule:
    """Return the rule for a field that is in one of the schemas, or in both."""
    outer = policy
    if own is None:
        # Only the user's catalog lists it: the user has declared that it is not personal.
        policy = policy._replace(personal_data=PersonalData.KEEP)
    facts = own or {}
    kinds = _kinds(emitted) or _kinds(facts)
    takes_text = "string" in kinds
    if "x-personal" in facts and policy.is_private:
        return PersonalField(path, facts["x-personal"], policy, takes_text=takes_text)
    if not kinds:
        return UnknownField(path, policy)
    if takes_text and "date-time" in (emitted.get("format"), facts.get("format")):
        return DatetimeField(path, policy)
    fields: RecordBuilder | None = None
    items: FieldRule | None = None
    if "object" in kinds:
        # A catalog that lists some properties of an object says nothing about the others.
        fields = _object(f"{path}.", emitted, own, outer if "properties" in emitted else policy)
    if "array" in kinds:
        own_items = None if own is None else _schema(own.get("items"))
        items = _field(path, _schema(emitted.get("items")), own_items, outer)
    return TypedField(
        path, kinds, outer, sent_as=facts.get("x-sent-as"), fields=fields, items=items
    )


def _kinds(schema: Schema) -> tuple[str, ...]:
    """Return the JSON types that a schema allows, except null; none if it allows any value."""
    named = schema.get("type", ())
    kinds = [named] if isinstance(named, str) else [*named]
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        kinds += _kinds(_schema(choice))
    return tuple(kind for kind in dict.fromkeys(kinds) if kind != "null")


def _schema(schema: object) -> Schema:
    return schema if isinstance(schema, dict) else {}
