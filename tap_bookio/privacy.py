"""What leaves the tap of patients' data: all of it, keyed pseudonyms, or nothing.

Which fields are personal, and of which kind, stands in ``schemas/`` as ``x-personal``: ``name``,
``email``, ``phone`` or ``text``, for whatever a person typed may name a person. A field that no
schema knows may hold anything, so it passes only with ``keep``, or if the catalog lists it.
"""

from __future__ import annotations

import hmac
import unicodedata
from typing import TYPE_CHECKING, Any

import phonenumbers

from bookio_api.redaction import conceal

if TYPE_CHECKING:
    import logging
    from collections.abc import Collection, Mapping

Row = dict[str, Any]
Schema = dict[str, Any]

KEEP, PSEUDONYMISE, OMIT = "keep", "pseudonymise", "omit"
MIN_KEY_LENGTH = 32
"""Characters; as many random ones cannot be guessed, so a pseudonym cannot be looked up."""
HOME_REGION = "SK"
"""Where a phone number without country code is dialled."""


def pseudonym(key: bytes, kind: str, value: object) -> str:
    """Return the HMAC-SHA-256 of a personal value as 64 hex digits.

    Values that mean the same person are normalised first, so that they are one pseudonym.
    """
    return hmac.digest(key, f"{kind}:{_normal(kind, str(value))}".encode(), "sha256").hex()


class Privacy:
    """What the setting ``personal_data`` does to one stream."""

    def __init__(
        self,
        schema: Schema,
        settings: Mapping[str, Any],
        logger: logging.Logger,
        listed: Collection[str] = (),
    ) -> None:
        """Take the stream's own schema, and the fields that the user's catalog lists."""
        self._schema = schema
        self._mode = settings.get("personal_data") or KEEP
        key = settings.get("personal_data_key") or ""
        conceal(key)
        self._key = key.encode()
        self._listed = frozenset(listed) - schema["properties"].keys()
        self._logger = logger
        self._dropped: set[str] = set()

    def rows(self, rows: list[Row]) -> list[Row]:
        """Return rows without personal data; those given stay as they are."""
        if self._mode == KEEP:
            return rows
        return [
            {
                **{name: row[name] for name in self._listed if name in row},
                **self._object(row, self._schema, ""),
            }
            for row in rows
        ]

    def _object(self, row: Row, schema: Schema, path: str) -> Row:
        fields = schema.get("properties", {})
        clean = {}
        for name, value in row.items():
            field = fields.get(name)
            if field is None:
                self._warn_of(path + name)
            elif (kind := field.get("x-personal")) is None:
                clean[name] = self._value(value, field, path + name)
            elif self._mode == PSEUDONYMISE:
                clean[name] = value and pseudonym(self._key, kind, value)
        return clean

    def _value(self, value: Any, field: Schema, path: str) -> Any:  # noqa: ANN401 - any JSON value
        """Return a value that is not personal; a container where none is due may hold anything."""
        if isinstance(value, dict):
            return self._object(value, field, f"{path}.") if "object" in field["type"] else None
        if isinstance(value, list):
            items = field.get("items")
            return [self._value(item, items, path) for item in value] if items else None
        return value

    def _warn_of(self, path: str) -> None:
        if path not in self._dropped and path not in self._listed:
            self._dropped.add(path)
            self._logger.warning(
                "The field %s is not in the schema, so personal_data=%s leaves it out; "
                "list it in the catalog if it names no person",
                path,
                self._mode,
            )


def published(schema: Schema, mode: str) -> Schema:
    """Return a stream's schema as this mode fills it: without the fields that it omits."""
    if mode != OMIT:
        return schema
    without = dict(schema)
    if "properties" in schema:
        without["properties"] = {
            name: published(field, mode)
            for name, field in schema["properties"].items()
            if "x-personal" not in field
        }
    if "items" in schema:
        without["items"] = published(schema["items"], mode)
    return without


def key_problem(settings: Mapping[str, Any]) -> str | None:
    """Return what is wrong with ``personal_data_key``, or ``None``."""
    if (settings.get("personal_data") or KEEP) != PSEUDONYMISE:
        return None
    if len(settings.get("personal_data_key") or "") >= MIN_KEY_LENGTH:
        return None
    return (
        f"personal_data=pseudonymise needs a personal_data_key of at least {MIN_KEY_LENGTH} "
        'random characters; make one with: python -c "import secrets; print(secrets.token_hex())"'
    )


def _normal(kind: str, value: str) -> str:
    text = " ".join(unicodedata.normalize("NFKC", value).casefold().split())
    if kind == "email":
        return text.replace(" ", "")
    if kind == "phone":
        return _normal_phone(text)
    return text


def _normal_phone(text: str) -> str:
    """Return the number in the form +421905123456, or what digits there are."""
    try:
        number = phonenumbers.parse(text, HOME_REGION)
    except phonenumbers.NumberParseException:
        return "".join(character for character in text if character.isdigit()) or text
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
