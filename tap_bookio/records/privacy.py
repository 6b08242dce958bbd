"""What is emitted of patients' data: all of it, keyed pseudonyms, or none.

Which fields are personal, and of which kind, is in ``schemas/`` as ``x-personal``: ``name``,
``email``, ``phone`` or ``text``, because free text may name a person. A field in no
schema may contain anything, so it passes only with ``keep``, or if the catalog lists it.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bookio_api.contract import HOME_COUNTRY

if TYPE_CHECKING:
    from collections.abc import Mapping

Schema = dict[str, Any]


class PersonalData(StrEnum):
    """The setting ``personal_data``."""

    KEEP = "keep"
    PSEUDONYMISE = "pseudonymise"
    OMIT = "omit"


MIN_KEY_LENGTH = 32
"""This many random characters cannot be guessed, so a pseudonym cannot be looked up."""
MIN_KEY_CHARACTERS = 8
"""How many different characters a key must have; a random one of 32 has more."""
MAX_REMEMBERED = 10_000
"""Cached pseudonyms: names repeat, and patients return."""

_HOME_NUMBER = re.compile(r"\+421[2-689]\d{8}", re.ASCII)
"""A number of the home region as E.164 writes it, which phonenumbers would return as it is."""
_IN_BRACKETS = re.compile(r"[<\u2039]([^<>\u2039\u203a]*@[^<>\u2039\u203a]*)[>\u203a]")
"""An address behind a name: ``Jan <jan@example.org>``."""


class Pseudonyms:
    """Makes the pseudonyms of one key."""

    def __init__(self, key: str) -> None:
        """Take ``personal_data_key``."""
        self._mac = hmac.new(key.encode(), digestmod="sha256")
        """The keyed start of every pseudonym; copying it saves hashing the key each time."""
        self._of_text = lru_cache(MAX_REMEMBERED)(self._made)

    def of(self, kind: str, value: object) -> object:
        """Return the HMAC-SHA-256 of a personal value as 64 hex digits; a blank is unchanged.

        Values are normalised first, so that spellings of the same value give one pseudonym.
        """
        if isinstance(value, str):
            return self._of_text(kind, value)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # a phone number
        return self._of_text(kind, str(value))

    def _made(self, kind: str, text: str) -> str:
        if not text.strip():
            return text
        mac = self._mac.copy()
        mac.update(f"{kind}:{_normal(kind, text)}".encode())
        return mac.hexdigest()


def pseudonyms_from(settings: Mapping[str, Any]) -> Pseudonyms | None:
    """Return the pseudonyms of the settings, or ``None`` in other modes."""
    if settings.get("personal_data") != PersonalData.PSEUDONYMISE:
        return None
    return Pseudonyms(settings["personal_data_key"])


def without_omitted(listed: Schema, schema: Schema, mode: str) -> Schema:
    """Return a catalog's schema without the fields that this mode omits from the own schema."""
    if mode != PersonalData.OMIT:
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
    """Return a stream's schema without the fields that this mode omits."""
    return without_omitted(schema, schema, mode)


def key_problem(settings: Mapping[str, Any]) -> str | None:
    """Return what is wrong with ``personal_data_key``, or ``None``."""
    if (settings.get("personal_data") or PersonalData.KEEP) != PersonalData.PSEUDONYMISE:
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


def _normal(kind: str, value: str) -> str:
    text = value.lower() if value.isascii() else _visible(value)
    text = " ".join(text.split())
    if kind == "email":
        return _normal_email(text.replace(" ", ""))
    if kind == "phone":
        return _normal_phone(text)
    return text


def _visible(value: str) -> str:
    """Return a text in lower case and composed form, without invisible characters."""
    text = unicodedata.normalize("NFKC", value).casefold()
    if text.isprintable():
        return text
    return "".join(character for character in text if unicodedata.category(character) != "Cf")


def _normal_email(text: str) -> str:
    """Return only the address, for instance of ``<mailto:jan@example.org.>``."""
    inside = _IN_BRACKETS.search(text)
    return (inside[1] if inside else text).removeprefix("mailto:").rstrip(".")


def _normal_phone(text: str) -> str:
    """Return the number in the form +421905123456, or its digits."""
    if _HOME_NUMBER.fullmatch(text):
        return text
    import phonenumbers  # noqa: PLC0415 - 30 ms that only pseudonyms cost

    try:
        number = phonenumbers.parse(text, HOME_COUNTRY)
    except phonenumbers.NumberParseException:
        return "".join(character for character in text if character.isdigit()) or text
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
