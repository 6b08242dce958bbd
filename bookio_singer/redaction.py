"""Keeps tokens, keys, e-mail addresses and tracebacks out of every log of this process.

``install`` is called by a command before anything else. It works on log records as they are made,
so it covers singer-sdk, urllib3 and every other logger, at every level. Responses and request
bodies are never logged anyway; this is a safety net.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from bookio_singer.sdk import STREAM_MAPS_MODULE

HIDDEN = "***"
_MIN_SECRET_LENGTH = 4
"""Shorter secrets would match parts of ordinary words."""

_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[^\s'\",]+")
_WORD = r"[^\s@'\"=&?:<>,;]"
_EMAIL = re.compile(rf"(?<!{_WORD}){_WORD}+(?:@|%40){_WORD}+")
"""Anchored at the start of a word, so that a long word is scanned once, not per letter."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that end a line, control a terminal or cannot be encoded."""
_MAX_CHARACTERS = 10_000
"""Limit for one message."""

_VERBOSE_LOGGERS = {
    "urllib3": logging.ERROR,  # addresses, whose query may hold a patient's e-mail
    STREAM_MAPS_MODULE: logging.INFO,  # the result of a stream map for each field
}
_secrets: set[str] = set()
_make_record = logging.getLogRecordFactory()


def install() -> None:
    """Redact every log record of this process from now on, and quiet the verbose loggers."""
    logging.setLogRecordFactory(_redacted_record)
    for name, level in _VERBOSE_LOGGERS.items():
        logging.getLogger(name).setLevel(level)


def conceal(secret: str) -> None:
    """Hide this text in everything that is logged from now on."""
    if len(secret) >= _MIN_SECRET_LENGTH:
        _secrets.add(secret)


def redacted(text: str) -> str:
    """Return a text without secrets and e-mail addresses, in one line of limited length."""
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _EMAIL.sub(HIDDEN, _BEARER.sub(rf"\1 {HIDDEN}", text))
    text = _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)
    if len(text) > _MAX_CHARACTERS:
        return f"{text[:_MAX_CHARACTERS]} … ({len(text) - _MAX_CHARACTERS} more characters)"
    return text


def place_of(error: BaseException) -> str:
    """Return the type and location of an exception, without its text."""
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    if where is None:
        return type(error).__name__
    module = where.tb_frame.f_globals.get("__name__", "?")
    place = f"{module}.{where.tb_frame.f_code.co_name}, line {where.tb_lineno}"
    return f"{type(error).__name__} in {place}"


def _redacted_record(*args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: ANN401 - as logging has it
    record = _make_record(*args, **kwargs)
    message = record.getMessage()
    clean = redacted(message)
    if record.exc_info and record.exc_info[1] is not None:
        clean = f"{clean} ({place_of(record.exc_info[1])})"
        record.exc_info = None
    if clean != message:
        record.msg, record.args = clean, ()
    return record
