"""Reads Singer messages as UTF-8 in any locale; a broken byte affects only its record.

Error messages contain a line's number, never its content, which may be a patient's data.
"""

from __future__ import annotations

import logging
import sys
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from typing import IO, TYPE_CHECKING, Any, NamedTuple, NoReturn

from bookio_api.errors import SettingsError
from bookio_singer.sdk import SingerReader
from target_bookio.field_names import shown_name
from target_bookio.lenient_json import (
    REPLACEMENT,
    decode,
    has_broken_byte,
    has_lone_surrogate,
    has_undecodable,
    without_surrogates,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

_NUL_SEARCHED_BYTES = 4

_THE_INPUT = "the input"
_NOT_UTF8 = "is not UTF-8{}; write it as UTF-8"
_UNDECODABLE = "has a number with too many digits, or is nested too deeply{}; correct it"
_CHECKS = ((has_broken_byte, _NOT_UTF8), (has_undecodable, _UNDECODABLE))


class ParsedLine(NamedTuple):
    """One message of the input."""

    number: int
    """The line's number, from 1."""
    message: dict[str, Any]
    source: str = _THE_INPUT
    """Where the line is from, for messages."""
    broken_fields: tuple[str, ...] = ()
    """The fields of a record that cannot be read, so that the record cannot be trusted."""
    problem: str = _NOT_UTF8
    """What is wrong with them, and what to do about it; it takes their names."""

    @property
    def fault(self) -> str:
        """The message about the broken fields, or about the whole line if it is no record."""
        names = ", ".join(map(shown_name, self.broken_fields))
        problem = self.problem.format(f" in {names}" if names else "")
        return f"line {self.number} of {self.source} {problem}"


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
        if fault := _misshapen(line.message):
            msg = f"line {line.number} of the input has {fault}"
            raise SettingsError(msg)
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
    for number, line in _utf8_lines(lines, _THE_INPUT):
        yield _parsed(number, line)


def batch_lines(lines: Iterable[bytes], file: str) -> Iterator[ParsedLine]:
    """Yield the RECORD messages of a BATCH file, of which each line is a record.

    Raises:
        SettingsError: the file is UTF-16, or a line is not a record.
    """
    source = f"the BATCH file {file}"
    for number, line in _utf8_lines(lines, source):
        record, is_odd = decode(line)
        if not isinstance(record, dict):
            msg = f"line {number} of {source} is not a record; write one JSON object in each line"
            raise SettingsError(msg)
        parsed = ParsedLine(number, {"type": "RECORD", "record": record}, source)
        yield _repaired(parsed) if is_odd else parsed


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
        reject, is_odd = decode(line)
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
        parsed = ParsedLine(number, message, str(path))
        yield _repaired(parsed) if is_odd else parsed


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


def _misshapen(message: dict[str, Any]) -> str:
    """Return what has an unexpected type in a message; the SDK reports what is missing."""
    if not isinstance(message.get("stream", ""), str):
        return "a stream whose name is not a text"
    schema = message.get("schema", {}) if message.get("type") == "SCHEMA" else {}
    if not isinstance(schema, dict) or not isinstance(schema.get("properties", {}), dict):
        return "a schema, or properties in it, that is not a JSON object"
    return ""


def _parsed(number: int, line: bytes) -> ParsedLine:
    message, is_odd = decode(line)
    if not isinstance(message, dict):
        msg = f"line {number} of the input is not a Singer message"
        raise SettingsError(msg)
    parsed = ParsedLine(number, message)
    return _repaired(parsed) if is_odd else parsed


def _repaired(line: ParsedLine) -> ParsedLine:
    """Return a message without surrogates; a RECORD names its broken fields.

    Raises:
        SettingsError: another message, such as a SCHEMA or a STATE, cannot be read as it is.
    """
    message, record = line.message, line.message.get("record")
    if message.get("type") != "RECORD" or not isinstance(record, dict):
        for is_broken, problem in _CHECKS:
            if is_broken(message):
                raise SettingsError(line._replace(problem=problem).fault)
        return line
    for is_broken, problem in _CHECKS:
        if broken := [name for name, value in record.items() if is_broken([name, value])]:
            names = tuple(map(without_surrogates, broken))
            line = line._replace(broken_fields=names, problem=problem)
            break
    else:
        if has_lone_surrogate(record):
            text = "line %d of %s has half a character (a lone surrogate), which became %s"
            logger.warning(text, line.number, line.source, REPLACEMENT)
    return line._replace(message={**message, "record": without_surrogates(record)})
