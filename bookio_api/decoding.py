"""Decodes JSON bodies, also those that are not quite JSON or not quite UTF-8.

Valid UTF-8 JSON takes the fast path and costs nothing extra. Whatever that refuses is read again
on the slow path, so that a single row with half an emoji does not make its whole list unreadable:

| in the body | becomes |
|---|---|
| a byte order mark, UTF-16, UTF-32, the charset of ``Content-Type`` | the text that it encodes |
| a byte that its encoding does not have; half a surrogate pair | U+FFFD |
| a raw control character inside a string | itself |
| U+0000, which PostgreSQL stores in no text | U+FFFD |
| ``NaN``, ``Infinity`` | null |
| a number beyond float64, or of more digits than Python converts | its text |

Nothing is added: a body that was cut off stays an error, so that it is fetched again.
"""

from __future__ import annotations

import codecs
import json
import logging
import math
import re
from email.message import Message
from enum import StrEnum
from threading import Lock
from typing import Any

import msgspec

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
MAX_DIGITS = 4300
"""Python refuses longer integers, because converting them takes quadratic time."""

_TEXT_ENCODINGS = re.compile(
    r"utf-(8|16|32)(-[bl]e)?|ascii|cp\d+|iso8859-\d+|koi8-\w+|mac-\w+|hp-roman8|kz1048"
)
"""Codecs that read one character after another. Python has others, which take quadratic time
(``punycode``) or give no text at all (``zlib``), and a header may name any of them."""

_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u[dD][89a-fA-F]..|u0000|.)", re.DOTALL)
"""An escape of a JSON string: a whole surrogate pair, half of one, U+0000, or any other.

Matching whole escapes keeps the text ``\\\\ud83d``, a backslash before ``ud83d``, as it is.
"""
_HALF_PAIR = len(r"\ud83d")
_NUL = r"\u0000"
_NUL_BYTES = _NUL.encode()

_decode = msgspec.json.Decoder().decode

logger = logging.getLogger(__name__)


class Defect(StrEnum):
    """What is wrong with a body that can still be read."""

    ENCODING = "text that is not UTF-8"
    BYTES = "bytes that are invalid in their encoding (read as U+FFFD)"
    SURROGATES = "half a surrogate pair, such as half an emoji (read as U+FFFD)"
    NUMBERS = "numbers that JSON cannot hold (read as null or text)"
    CONTROLS = "raw control characters"
    NULS = "the character U+0000 (read as U+FFFD)"


class BodyDecoder:
    """Decodes the bodies of one client's responses. Safe to use from several threads."""

    def __init__(self) -> None:
        """Report nothing yet."""
        self._reported: set[Defect] = set()  # grows under the lock, by whichever thread decodes
        self._lock = Lock()

    def decode(self, body: bytes | bytearray, *, content_type: str, source: str) -> Any:  # noqa: ANN401
        """Return the content of a JSON body; warnings about its defects name ``source``.

        Raises:
            ValueError: it is not JSON, or it is cut off.
            RecursionError: it is nested too deeply.
        """
        surely: set[Defect] = set()
        # U+0000 is valid JSON, so look for it if there are any escapes; the text
        # "\\u0000" after a backslash looks the same but is not a defect.
        if b"\\" not in body or _NUL_BYTES not in body:
            try:
                return _decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError):
                surely = {Defect.CONTROLS}
        document, defects = _repaired(bytes(body), content_type)
        self._report(defects or surely, source)
        return document

    def _report(self, defects: set[Defect], source: str) -> None:
        """Warn of each kind of defect once, without the text, which may be a patient's."""
        with self._lock:
            news = sorted(defects - self._reported)
            self._reported |= defects
        if news:
            logger.warning(
                "%s: the responses contain %s; they were read as well as possible, "
                "please report this to Bookio",
                source,
                " and ".join(news),
            )


def is_html(body: bytes | bytearray) -> bool:
    """Whether a body is an HTML page, in any encoding."""
    return body.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n")[:1] == b"<"


def _repaired(body: bytes, content_type: str) -> tuple[Any, set[Defect]]:
    """Read a body that is not valid UTF-8 JSON, and return what was wrong with it."""
    text, defects = _text(body, content_type)

    def escape(match: re.Match[str]) -> str:
        written = match[0]
        if written == _NUL:
            defects.add(Defect.NULS)
        elif len(written) == _HALF_PAIR and written[2] in "dD":
            defects.add(Defect.SURROGATES)
        else:
            return written
        return REPLACEMENT

    if "\0" in text:
        defects.add(Defect.NULS)
    whole = _ESCAPE.sub(escape, text.replace("\0", REPLACEMENT))

    def constant(_: str) -> None:
        defects.add(Defect.NUMBERS)

    def real(digits: str) -> float | str:
        number = float(digits)
        if math.isfinite(number):
            return number
        defects.add(Defect.NUMBERS)
        return digits

    def integer(digits: str) -> int | str:
        if len(digits) <= MAX_DIGITS:
            return int(digits)
        defects.add(Defect.NUMBERS)
        return digits

    # not strict: raw control characters pass
    reader = json.JSONDecoder(
        parse_constant=constant, parse_float=real, parse_int=integer, strict=False
    )
    return reader.decode(whole), defects


def _text(body: bytes, content_type: str) -> tuple[str, set[Defect]]:
    """Decode the bytes by their byte order mark or NULs, then as declared, then as UTF-8."""
    encoding: str = json.detect_encoding(body)
    if encoding == "utf-8":
        encoding = _declared(content_type) or encoding
    defects = set() if encoding == "utf-8" else {Defect.ENCODING}
    try:
        return body.decode(encoding), defects
    except UnicodeDecodeError:
        return body.decode(encoding, errors="replace"), {*defects, Defect.BYTES}


def _declared(content_type: str) -> str | None:
    """Return the charset of a ``Content-Type``, if this module supports it."""
    header = Message()
    header["Content-Type"] = content_type
    try:
        name = codecs.lookup(str(header.get_content_charset())).name
    except (LookupError, ValueError):
        return None
    return name if _TEXT_ENCODINGS.fullmatch(name) else None
