"""Reads Singer messages as UTF-8 in any locale; a broken byte affects only its record.

Error messages contain a line's number, never its content, which may be a patient's data.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from typing import IO, TYPE_CHECKING, Any, NamedTuple, NoReturn

import msgspec

from bookio_api.errors import SettingsError
from bookio_singer.sdk import SingerReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

_BROKEN_BYTE = re.compile("[\udc80-\udcff]")
"""A byte that is not UTF-8, as ``surrogateescape`` decodes it."""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"
_NUL_SEARCHED_BYTES = 4

_decode = msgspec.json.Decoder().decode
_lenient_decode = json.JSONDecoder(strict=False).decode
"""Accepts NaN, Infinity, lone surrogates and control characters, which msgspec rejects."""


class ParsedLine(NamedTuple):
    """One message of the input."""

    number: int
    """The line's number, from 1."""
    message: dict[str, Any]
    broken_fields: tuple[str, ...] = ()
    """The fields of a record in which a byte is not UTF-8; the record cannot be trusted."""


class LineReader(SingerReader):
    """Passes messages to the SDK, and keeps the current line."""

    def __init__(self) -> None:
        """Start before the first line."""
        super().__init__()
        self.at = ParsedLine(0, {})

    def deserialize_json(self, line: ParsedLine | str | bytes) -> dict[str, Any]:
        """Return the message of a line; the SDK calls this for each of them."""
        if not isinstance(line, ParsedLine):
            raw = line.encode() if isinstance(line, str) else line
            line = _parsed(self.at.number + 1, raw)
        self.at = line
        return line.message

    def on_unknown_message(self) -> NoReturn:
        """Raise an error that does not quote the message."""
        msg = f"line {self.at.number} of the input has an unknown message type"
        raise SettingsError(msg)


def input_lines(stream: IO[str] | None) -> Iterator[ParsedLine]:
    """Yield the messages of stdin, or of the file of ``--input``.

    Raises:
        SettingsError: the input is UTF-16, or a line is not a Singer message.
    """
    source: Any = stream or sys.stdin
    source = getattr(source, "buffer", source)  # the raw bytes, not decoded by the locale
    lines = (line.encode() if isinstance(line, str) else line for line in source)
    for number, line in _utf8_lines(lines, "the input"):
        yield _parsed(number, line)


def replayed_lines(path: Path) -> Iterator[ParsedLine]:
    """Yield Singer messages for the records in a reject file.

    Raises:
        SettingsError: the file cannot be read, or a line has no record.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        msg = f"--replay: {path} cannot be read ({error.strerror})"
        raise SettingsError(msg) from error
    streams: set[str] = set()
    for number, line in _utf8_lines(lines, f"--replay: {path}"):
        reject, broken = _decoded(line)
        stream = reject.get("stream") if isinstance(reject, dict) else None
        if not isinstance(reject, dict) or not isinstance(stream, str):
            msg = f"--replay: line {number} of {path} is not a reject; correct or remove it"
            raise SettingsError(msg)
        record = reject.get("record")
        if not isinstance(record, dict):
            msg = (
                f"--replay: line {number} of {path} has no record; rejects have one only if "
                "rejects_include_records was set when they were written"
            )
            raise SettingsError(msg)
        if stream not in streams:
            streams.add(stream)
            schema = {"type": "SCHEMA", "stream": stream, "schema": {"properties": {}}}
            yield ParsedLine(number, {**schema, "key_properties": []})
        message = {"type": "RECORD", "stream": stream, "record": record}
        yield _repaired(number, message) if broken else ParsedLine(number, message)


def _utf8_lines(lines: Iterable[bytes], what: str) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, with their numbers; skip a byte order mark."""
    for number, line in enumerate(lines, 1):
        if number == 1:
            if line.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) or b"\0" in line[:_NUL_SEARCHED_BYTES]:
                msg = f"{what} is UTF-16, but Singer messages are UTF-8: write it as UTF-8"
                raise SettingsError(msg)
            line = line.removeprefix(BOM_UTF8)  # noqa: PLW2901
        if line.strip():
            yield number, line


def _parsed(number: int, line: bytes) -> ParsedLine:
    message, is_odd = _decoded(line)
    if not isinstance(message, dict):
        msg = f"line {number} of the input is not a Singer message"
        raise SettingsError(msg)
    return _repaired(number, message) if is_odd else ParsedLine(number, message)


def _decoded(line: bytes) -> tuple[object, bool]:
    """Return the JSON of a line, or ``None``; and whether it is not strict JSON."""
    try:
        return _decode(line), False
    except (ValueError, RecursionError):
        pass
    try:
        return _lenient_decode(line.decode("utf-8", "surrogateescape")), True
    except (ValueError, RecursionError):
        return None, True


def _repaired(number: int, message: dict[str, Any]) -> ParsedLine:
    """Return a message without surrogates; a RECORD with a broken byte names its broken fields.

    Raises:
        SettingsError: another message, such as a SCHEMA or a STATE, has a broken byte.
    """
    record = message.get("record")
    if message.get("type") != "RECORD" or not isinstance(record, dict):
        if _holds(_BROKEN_BYTE, message):
            msg = f"line {number} of the input is not UTF-8; write it as UTF-8"
            raise SettingsError(msg)
        return ParsedLine(number, message)
    broken = tuple(name for name, value in record.items() if _holds(_BROKEN_BYTE, [name, value]))
    if not broken and _holds(_LONE_SURROGATE, record):
        text = "line %d of the input has half a character (a lone surrogate), which became %s"
        logger.warning(text, number, _REPLACEMENT)
    names = tuple(_without_surrogates(name) for name in broken)
    return ParsedLine(number, {**message, "record": _without_surrogates(record)}, names)


def _holds(pattern: re.Pattern[str], value: object) -> bool:
    """Whether any text or name in a JSON value matches."""
    if isinstance(value, str):
        return bool(pattern.search(value))
    if isinstance(value, dict):
        return any(_holds(pattern, part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(_holds(pattern, item) for item in value)


def _without_surrogates(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return _LONE_SURROGATE.sub(_REPLACEMENT, value)
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    return [_without_surrogates(item) for item in value] if isinstance(value, list) else value
