"""One person is one pseudonym, however written; without the key nobody can make it."""

from __future__ import annotations

import hashlib
import unicodedata

from hypothesis import assume, given
from hypothesis import strategies as st

from tap_bookio.records.privacy import pseudonym

keys = st.binary(min_size=32, max_size=64)
kinds = st.sampled_from(["name", "email", "phone", "text"])
names = st.text(st.characters(categories=["L"], max_codepoint=0x17F), min_size=1, max_size=20)
mobiles = st.integers(min_value=905_000_000, max_value=919_999_999)


@given(keys, names)
def test_writing_does_not_matter(key: bytes, name: str) -> None:
    decomposed = unicodedata.normalize("NFD", name)
    expected = pseudonym(key, "name", name)
    assert pseudonym(key, "name", f"  {decomposed}\t") == expected
    assert pseudonym(key, "email", f"{name}@EXAMPLE.org") == pseudonym(
        key, "email", f" {name}@example.ORG "
    )


@given(keys, mobiles)
def test_a_phone_is_one_phone(key: bytes, number: int) -> None:
    digits = str(number)
    spaced = f"{digits[:3]} {digits[3:6]} {digits[6:]}"
    writings = [f"+421{digits}", f"+421 {spaced}", f"00421{digits}", f"0{spaced}", f"0{digits}"]
    assert len({pseudonym(key, "phone", writing) for writing in writings}) == 1


@given(keys, keys, kinds, names)
def test_another_key_gives_another_pseudonym(one: bytes, other: bytes, kind: str, v: str) -> None:
    assume(one != other)
    assert pseudonym(one, kind, v) != pseudonym(other, kind, v)


@given(keys, names, names)
def test_other_people_are_other_pseudonyms(key: bytes, one: str, other: str) -> None:
    assume(
        unicodedata.normalize("NFKC", one).casefold()
        != unicodedata.normalize("NFKC", other).casefold()
    )
    assert pseudonym(key, "name", one) != pseudonym(key, "name", other)


@given(keys, kinds, names)
def test_it_is_never_a_hash_that_anyone_can_make(key: bytes, kind: str, value: str) -> None:
    made = pseudonym(key, kind, value)
    for text in (value, value.casefold(), f"{kind}:{value}", f"{kind}:{value.casefold()}"):
        assert made != hashlib.sha256(text.encode()).hexdigest()
