"""A person has one pseudonym in every spelling; it cannot be made without the key."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata

import phonenumbers
from hypothesis import assume, given
from hypothesis import strategies as st

from bookio_api.contract import HOME_COUNTRY
from tap_bookio.records.privacy import Pseudonyms

keys = st.text("0123456789abcdef", min_size=32, max_size=64)
kinds = st.sampled_from(["name", "email", "phone", "text"])
names = st.text(st.characters(categories=["L"], max_codepoint=0x17F), min_size=1, max_size=20)
mobiles = st.integers(min_value=905_000_000, max_value=919_999_999)


@given(keys, names)
def test_spelling_does_not_change_a_pseudonym(key: str, name: str) -> None:
    """Unicode form, surrounding blanks and the case of a domain do not count."""
    decomposed = unicodedata.normalize("NFD", name)
    expected = Pseudonyms(key).of("name", name)
    assert Pseudonyms(key).of("name", f"  {decomposed}\t") == expected
    assert Pseudonyms(key).of("email", f"{name}@EXAMPLE.org") == Pseudonyms(key).of(
        "email", f" {name}@example.ORG "
    )


@given(keys, mobiles)
def test_every_notation_of_a_phone_number_has_one_pseudonym(key: str, number: int) -> None:
    """International, national and spaced notations mean the same number."""
    digits = str(number)
    spaced = f"{digits[:3]} {digits[3:6]} {digits[6:]}"
    writings = [f"+421{digits}", f"+421 {spaced}", f"00421{digits}", f"0{spaced}", f"0{digits}"]
    assert len({Pseudonyms(key).of("phone", writing) for writing in writings}) == 1


@given(keys, keys, kinds, names)
def test_another_key_gives_another_pseudonym(one: str, other: str, kind: str, v: str) -> None:
    """The pseudonyms of one value under two keys cannot be matched."""
    assume(one != other)
    assert Pseudonyms(one).of(kind, v) != Pseudonyms(other).of(kind, v)


@given(keys, names, names)
def test_different_people_have_different_pseudonyms(key: str, one: str, other: str) -> None:
    """Normalising never merges two different names."""
    assume(
        unicodedata.normalize("NFKC", one).casefold()
        != unicodedata.normalize("NFKC", other).casefold()
    )
    assert Pseudonyms(key).of("name", one) != Pseudonyms(key).of("name", other)


@given(keys, kinds, names)
def test_a_pseudonym_is_never_an_unkeyed_hash(key: str, kind: str, value: str) -> None:
    """Hashing a known value does not find its pseudonym."""
    made = Pseudonyms(key).of(kind, value)
    for text in (value, value.casefold(), f"{kind}:{value}", f"{kind}:{value.casefold()}"):
        assert made != hashlib.sha256(text.encode()).hexdigest()


@given(keys, st.integers(min_value=0, max_value=10**9 - 1))
def test_numbers_on_the_fast_path_match_the_parser(key: str, number: int) -> None:
    """The short way for numbers of the home region and the library agree."""
    text = f"+421{number:09}"
    parsed = phonenumbers.parse(text, HOME_COUNTRY)
    e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    made = hmac.digest(key.encode(), f"phone:{e164}".encode(), "sha256").hex()
    assert Pseudonyms(key).of("phone", text) == made


@given(keys, st.text(max_size=30))
def test_invisible_characters_case_and_blanks_do_not_change_a_pseudonym(
    key: str, text: str
) -> None:
    """The short ways of normalising a text give what the long way gives."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    visible = "".join(sign for sign in folded if unicodedata.category(sign) != "Cf")
    made = hmac.digest(key.encode(), f"text:{' '.join(visible.split())}".encode(), "sha256").hex()
    assert not text.strip() or Pseudonyms(key).of("text", text) == made
