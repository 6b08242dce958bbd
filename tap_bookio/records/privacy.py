"""What leaves the tap of patients' data: all of it, keyed pseudonyms, or nothing.

Which fields are personal, and of which kind, stands in ``schemas/`` as ``x-personal``: ``name``,
``email``, ``phone`` or ``text``, for whatever a person typed may name a person. A field that no
schema knows may hold anything, so it passes only with ``keep``, or if the catalog lists it.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from typing import TYPE_CHECKING, Any

import phonenumbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_bookio.records.field_warnings import FieldWarnings

Row = dict[str, Any]
Schema = dict[str, Any]

KEEP, PSEUDONYMISE, OMIT = "keep", "pseudonymise", "omit"
LISTED: Schema = {}
"""Stands for a field that only the catalog knows: the user vouches for it."""
_CONTAINERS = frozenset({"object", "array", "null"})
MIN_KEY_LENGTH = 32
"""Characters; as many random ones cannot be guessed, so a pseudonym cannot be looked up."""
MIN_KEY_CHARACTERS = 8
"""How many different characters a key must have; a random one of 32 has more."""
HOME_REGION = "SK"
"""Where a phone number without country code is dialled."""


def pseudonym(key: bytes, kind: str, value: object) -> str:
    """Return the HMAC-SHA-256 of a personal value as 64 hex digits.

    Values that mean the same person are normalised first, so that they are one pseudonym.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a number of a phone
    return hmac.digest(key, f"{kind}:{_normal(kind, str(value))}".encode(), "sha256").hex()


class Privacy:
    """What the setting ``personal_data`` does to one stream."""

    def __init__(
        self, schema: Schema, settings: Mapping[str, Any], listed: Schema, warnings: FieldWarnings
    ) -> None:
        """Take the stream's own schema, and the one that the user's catalog lists."""
        self._schema = _with_listed(schema, listed)
        self._mode = settings.get("personal_data") or KEEP
        key = settings.get("personal_data_key") or ""
        self._key = key.encode()
        self._warnings = warnings

    def rows(self, rows: list[Row]) -> list[Row]:
        """Return rows without personal data; those given stay as they are."""
        if self._mode == KEEP:
            return rows
        return [self._object(row, self._schema, "") for row in rows]

    def _object(self, row: Row, schema: Schema, path: str) -> Row:
        fields = schema.get("properties", {})
        clean = {}
        for name, value in row.items():
            field = fields.get(name)
            if field is None:
                self._warnings.warn(
                    path + name,
                    f"is not in the schema, so personal_data={self._mode} leaves it out; "
                    "list it in the catalog if it names no person",
                )
            elif field is LISTED:
                clean[name] = value
            elif (kind := field.get("x-personal")) is None:
                clean[name] = self._value(value, field, path + name)
            elif self._mode == PSEUDONYMISE:
                clean[name] = value if _is_blank(value) else pseudonym(self._key, kind, value)
        return clean

    def _value(self, value: Any, field: Schema, path: str) -> Any:  # noqa: ANN401 - any JSON value
        """Return a value that is not personal; one of a shape that is not due may hold anything."""
        if isinstance(value, dict):
            return self._object(value, field, f"{path}.") if "object" in _kinds(field) else None
        if isinstance(value, list):
            items = field.get("items")
            return [self._value(item, items, path) for item in value] if items else None
        return None if _CONTAINERS.issuperset(_kinds(field)) else value


def _kinds(field: Schema) -> list[str]:
    return field["type"] if isinstance(field["type"], list) else [field["type"]]


def _with_listed(schema: Schema, listed: Schema) -> Schema:
    """Return a schema whose fields include, as ``LISTED``, those that only the catalog knows."""
    merged = dict(schema)
    if "items" in schema and isinstance(listed.get("items"), dict):
        merged["items"] = _with_listed(schema["items"], listed["items"])
    if "object" in _kinds(schema):
        own, others = schema.get("properties", {}), listed.get("properties") or {}
        merged["properties"] = {
            **dict.fromkeys(others, LISTED),
            **{name: _with_listed(field, others.get(name) or {}) for name, field in own.items()},
        }
    return merged


def without_omitted(listed: Schema, schema: Schema, mode: str) -> Schema:
    """Return what a catalog lists, less the fields that this mode omits from the own schema."""
    if mode != OMIT:
        return listed
    without = dict(listed)
    if "properties" in listed:
        own = schema.get("properties", {})
        without["properties"] = {
            name: without_omitted(field, own.get(name, {}), mode)
            for name, field in listed["properties"].items()
            if "x-personal" not in own.get(name, {})
        }
    if "items" in listed:
        without["items"] = without_omitted(listed["items"], schema.get("items", {}), mode)
    return without


def published(schema: Schema, mode: str) -> Schema:
    """Return a stream's schema as this mode fills it: without the fields that it omits."""
    return without_omitted(schema, schema, mode)


def key_problem(settings: Mapping[str, Any]) -> str | None:
    """Return what is wrong with ``personal_data_key``, or ``None``."""
    if (settings.get("personal_data") or KEEP) != PSEUDONYMISE:
        return None
    key = settings.get("personal_data_key") or ""
    if len(key) < MIN_KEY_LENGTH:
        problem = (
            f"personal_data=pseudonymise needs a personal_data_key of at least {MIN_KEY_LENGTH} "
            "random characters"
        )
    elif len(set(key)) < MIN_KEY_CHARACTERS:
        problem = "personal_data_key repeats the same few characters, so it can be guessed"
    else:
        return None
    return f'{problem}; make one with: python -c "import secrets; print(secrets.token_hex())"'


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _normal(kind: str, value: str) -> str:
    text = unicodedata.normalize("NFKC", value).casefold()
    visible = "".join(character for character in text if unicodedata.category(character) != "Cf")
    text = " ".join(visible.split())
    if kind == "email":
        return _normal_email(text.replace(" ", ""))
    if kind == "phone":
        return _normal_phone(text)
    return text


def _normal_email(text: str) -> str:
    """Return the address alone, of ``<mailto:jan@example.org.>`` too."""
    inside = re.search(r"[<\u2039]([^<>\u2039\u203a]*@[^<>\u2039\u203a]*)[>\u203a]", text)
    return (inside[1] if inside else text).removeprefix("mailto:").rstrip(".")


def _normal_phone(text: str) -> str:
    """Return the number in the form +421905123456, or what digits there are."""
    try:
        number = phonenumbers.parse(text, HOME_REGION)
    except phonenumbers.NumberParseException:
        return "".join(character for character in text if character.isdigit()) or text
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
