"""Bodies that are not quite JSON or UTF-8 are read; truncated bodies never are."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookio_api.decoding import BodyDecoder

NAME = "Ľubomír Žltý, škôlka"
"""Has the same letters in UTF-8, windows-1250 and ISO 8859-2."""

texts = st.text(
    alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12
)
documents = st.dictionaries(
    texts,
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**70), 2**70) | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)
relaxed = settings(
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def decode(body: bytes, content_type: str = "application/json") -> Any:
    return BodyDecoder().decode(body, content_type=content_type, source="list_calendars")


@relaxed
@given(document=documents)
def test_valid_json_is_read_without_a_warning(
    caplog: pytest.LogCaptureFixture, document: dict[str, Any]
) -> None:
    """Plain JSON is decoded unchanged, without a warning."""
    caplog.clear()
    assert decode(json.dumps(document, ensure_ascii=False).encode()) == document
    assert decode(json.dumps(document).encode()) == document
    assert not caplog.records


@relaxed
@given(
    document=documents,
    encoding=st.sampled_from(
        ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
    ),
)
def test_every_unicode_encoding_is_read(document: dict[str, Any], encoding: str) -> None:
    """A byte order mark, or the NULs of UTF-16 and UTF-32, tell the encoding without a header."""
    assert decode(json.dumps(document, ensure_ascii=False).encode(encoding)) == document


@relaxed
@given(
    document=documents.filter(bool),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    share=st.floats(0, 1, exclude_max=True),
)
def test_a_truncated_body_is_never_repaired(
    document: dict[str, Any], encoding: str, share: float
) -> None:
    """A truncated body is always an error: rows are never invented."""
    body = json.dumps({"result": document}, ensure_ascii=False).encode(encoding)
    with pytest.raises(ValueError):  # noqa: PT011 - its text may quote a patient, so it is not ours
        decode(body[: int(len(body) * share)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r'"thanks \ud83d"', "thanks \ufffd"),
        (r'"\ude00 thanks"', "\ufffd thanks"),
        (r'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
        (r'"\uD83D\uDE00 \ud83d\n"', "\U0001f600 \ufffd\n"),
        (r'"\\ud83d \ud83d"', "\\ud83d \ufffd"),
        (r'"\ud83d\\ude00"', "\ufffd\\ude00"),
    ],
)
def test_half_a_surrogate_pair_is_replaced(text: str, expected: str) -> None:
    """Only what is half a pair becomes U+FFFD; whole pairs and escaped backslashes stay."""
    assert decode(text.encode()) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NaN", None),
        ("Infinity", None),
        ("-Infinity", None),
        ("1e999", "1e999"),
        ("-1e999", "-1e999"),
        ("9" * 5000, "9" * 5000),
        ("9" * 25, int("9" * 25)),
        ('"a\tb\nc\x01d\x00e"', "a\tb\nc\x01d\ufffde"),
        ('"a\x7f"', "a\x7f"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_invalid_json_values_are_read(text: str, expected: Any) -> None:
    """Numbers that do not fit any type become null or text; control characters stay."""
    assert decode(f'{{"a": {text}}}'.encode()) == {"a": expected}


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("windows-1250", "cp1250"),
        ('"ISO-8859-2"', "iso8859-2"),
        ("cp1250", "cp1250"),
        ("UTF-16", "utf-16"),
        ("utf-16le", "utf-16-le"),
        ("UTF8", "utf-8"),
    ],
)
def test_a_declared_charset_is_read(charset: str, encoding: str) -> None:
    """The charset of Content-Type is used for bytes that are not UTF-8."""
    body = json.dumps({"name": NAME}, ensure_ascii=False).encode(encoding)
    assert decode(body, f"application/json; charset={charset}") == {"name": NAME}


def test_utf_8_that_is_declared_as_another_charset_is_still_utf_8() -> None:
    """Declared charsets are often wrong; valid UTF-8 is read as UTF-8."""
    body = json.dumps({"name": NAME}, ensure_ascii=False).encode()
    assert decode(body, "application/json; charset=windows-1250") == {"name": NAME}


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "a; charset=punycode",
        "a; charset=zlib",
        "a; charset=none-such",
        "a; charset=\0",
        "a; charset*=x''%",
        ";" * 5000,
        "a; charset=unicode_escape",
    ],
    ids=lambda value: repr(value)[:24],
)
def test_bytes_that_are_not_utf_8_become_replacement_characters(content_type: str) -> None:
    """Without a usable charset each bad byte costs one character, not the whole list."""
    assert decode(b'{"name": "\xe9va"}', content_type) == {"name": "\ufffdva"}


def test_each_kind_of_defect_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    """A run warns once of each kind, names the list and quotes nothing of the body."""
    decoder = BodyDecoder()
    with caplog.at_level(logging.WARNING):
        for body in (rb'{"a": "Jana \ud83d"}', rb'{"b": "\ud83d"}', b'{"a": "Jana \xff"}') * 3:
            decoder.decode(body, content_type="", source="list_calendars")
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 2
    assert all(warning.startswith("list_calendars: ") for warning in warnings)
    assert "Jana" not in " ".join(warnings)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (rb'{"note": "a\u0000b"}', "a\ufffdb"),
        (b'{"note": "a\0b"}', "a\ufffdb"),
        (r'{"note": "a\u0000b"}'.encode("utf-16"), "a\ufffdb"),
        (rb'{"note": "\\\u0000\u0000"}', "\\\ufffd\ufffd"),
    ],
)
def test_nul_is_replaced_with_one_warning(
    body: bytes, expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    """U+0000 does not reach a loader: PostgreSQL would refuse the batch, every time."""
    assert decode(body) == {"note": expected}
    assert [record.getMessage().count("U+0000") for record in caplog.records] == [1]


def test_text_that_looks_like_nul_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    """An escaped backslash before ``u0000`` is not an escaped NUL."""
    assert decode(rb'{"note": "C:\\u0000"}') == {"note": "C:\\u0000"}
    assert not caplog.records
