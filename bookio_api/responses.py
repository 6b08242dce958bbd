"""Reads what Bookio answers: the envelope, its error codes, its lists.

The envelope is ``{"result": {"success", "errors", "data"}}`` (C). Which HTTP status goes with
which failure, and which field carries the code, is unknown (U): every form is understood.
No word of an answer gets into a message, for it may be a patient's.
"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from bookio_api import schemas
from bookio_api.errors import (
    ERROR_CODES,
    AuthError,
    BookioError,
    BrokenAnswerError,
    ContractError,
    DuplicateError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    UnknownPathError,
    ValidationError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookio_api.contract import Operation

JsonObject = dict[str, Any]

NO_CONTENT = 204
REDIRECTED, FAILED, SERVER_FAILED = 300, 400, 500
"""Where each kind of HTTP status begins."""

_ID_BITS, _ID_DIGITS = 64, 19
_LARGE_BYTES, MOST_OPENED = 1 << 20, 2_000_000
"""An answer above this size may open so many lists and objects: each byte of them decodes to 56."""
_EARLIEST_MS = 10**12
"""September 2001: what says to be earlier is no clock."""

_decode = msgspec.json.Decoder().decode

_BY_STATUS: dict[int, tuple[type[BookioError], str]] = {
    400: (ValidationError, ERROR_CODES[10].advice),
    401: (AuthError, ERROR_CODES[20].advice),
    403: (PermissionDeniedError, ERROR_CODES[403].advice),
    404: (UnknownPathError, ERROR_CODES[404].advice),
    405: (UnknownPathError, ERROR_CODES[404].advice),
    409: (DuplicateError, ERROR_CODES[40].advice),
    422: (ValidationError, ERROR_CODES[10].advice),
    429: (RateLimitError, "set requests_per_second, or come back later"),
}


class Reply(NamedTuple):
    """What came back, whole and unpacked."""

    status: int
    headers: Mapping[str, str]
    content: bytes | bytearray


class Answer(NamedTuple):
    """What Bookio answered."""

    data: JsonObject
    """``result.data``; ``{}`` if there is none."""
    server_time_ms: int | None = None
    """The server's clock in epoch ms, from ``Date``."""


def answer_of(op: Operation, reply: Reply) -> Answer:
    """Return what a reply says, or raise the error that it is.

    HTTP 200 alone is never trusted: ``success: false`` is a failure at any status (C).
    """
    status, headers, _ = reply
    server_time_ms = _server_time_ms(headers.get("Date"))
    if status == NO_CONTENT:
        return Answer({}, server_time_ms)
    if REDIRECTED <= status < FAILED:
        msg = f"{_where(op)}: the server redirects elsewhere (HTTP {status}); check api_url"
        raise ContractError(msg, operation=op.name, status=status)
    try:
        result = _envelope(op, reply)
    except (BrokenAnswerError, ContractError) as error:
        if status >= FAILED and (
            isinstance(error, BrokenAnswerError) or status not in {400, 409, 422}
        ):
            raise _failure(op, status, None, {}) from None
        raise
    code = _code(result)
    if status >= FAILED or result.get("success") in (False, "false") or code not in {None, 0, 200}:
        raise _failure(op, status, code, result)
    if not result.get("success") and "data" not in result:
        msg = f"{_where(op)}: the answer has no result with success or data; check api_url"
        raise ContractError(msg, operation=op.name, status=status)
    data = result.get("data")
    if isinstance(data, list) and op.rows:
        data = {op.rows: data}
    return Answer(data if isinstance(data, dict) else {}, server_time_ms)


def rows_of(op: Operation, data: JsonObject) -> list[JsonObject]:
    """Return the list in ``data``; most of its keys are guesses, so any only list will do."""
    rows = data.get(op.rows) if op.rows else None
    if op.rows not in data:
        lists = [value for value in data.values() if isinstance(value, list)]
        rows = lists[0] if len(lists) == 1 else None
    if not isinstance(rows, list) or not all(type(row) is dict for row in rows):
        msg = f"{_where(op)}: the answer holds no list of objects named {op.rows!r}"
        raise ContractError(msg, operation=op.name)
    return rows


def integer_id(operation: str, value: object) -> int:
    """Return the ``id`` of a row, an int64 (C), also if it comes as text or as a whole float."""
    text = isinstance(value, str) and value.isdecimal() and len(value) <= _ID_DIGITS
    if text or (isinstance(value, float) and value.is_integer()):
        value = int(value)  # type: ignore[call-overload]
    if type(value) is int and value.bit_length() < _ID_BITS:
        return value
    msg = f"{operation}: a row has no number as id"
    raise ContractError(msg, operation=operation)


def _envelope(op: Operation, reply: Reply) -> JsonObject:
    """Return ``result``, with a code beside it moved in."""
    status, _, content = reply
    if len(content) > _LARGE_BYTES and content.count(b"[") + content.count(b"{") > MOST_OPENED:
        msg = f"{op.name}: the answer holds more than {MOST_OPENED} lists and objects"
        raise ContractError(msg, operation=op.name, status=status)
    try:
        document = _decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        html = content.lstrip()[:1] == b"<"
        kind = "HTML" if html else "not JSON" if content else "empty"
        msg = f"{_where(op)}: the answer (HTTP {status}) is {kind}; check api_url"
        failure = ContractError if html else BrokenAnswerError
        raise failure(msg, operation=op.name, status=status) from error
    if not isinstance(document, dict):
        document = {}
    result = document.get("result")
    if not isinstance(result, dict):
        result = {k: v for k, v in document.items() if k in {"success", "errors", "data"}}
    for name in ("errorCode", "code"):
        if name in document:
            result.setdefault(name, document[name])
    return result


def _failure(op: Operation, status: int, code: int | None, result: JsonObject) -> BookioError:
    fields = _fields(op, result.get("errors"))
    known = ERROR_CODES.get(code) if code is not None else None
    if known is not None:
        kind, meaning, advice = known.error, known.meaning, known.advice
    elif status in _BY_STATUS:
        kind, advice = _BY_STATUS[status]
        meaning = "refused"
    elif status >= SERVER_FAILED:
        kind, meaning, advice = ServerError, "the server failed", "try again later"
    elif status >= FAILED or op.retry_safe:
        kind, meaning, advice = ContractError, "refused without a known code", "check api_url"
    else:
        kind, meaning, advice = ValidationError, "refused without a known code", "check the record"
    parts = [f"HTTP {status}"] + ([f"code {code}"] if code is not None else [])
    named = f" (fields: {', '.join(fields)})" if fields else ""
    msg = f"{_where(op)}: {meaning} ({', '.join(parts)}){named}; {advice}"
    return kind(msg, operation=op.name, status=status, code=code, fields=fields)


def _code(result: JsonObject) -> int | None:
    """Bookio's number, under either of the names that it may have (U)."""
    for name in ("errorCode", "code"):
        value = result.get(name)
        if isinstance(value, int | float | str) and re.fullmatch(r"\d{1,4}(\.0)?", str(value)):
            return int(float(value))
    return None


def _fields(op: Operation, errors: object) -> tuple[str, ...]:
    """Names of request fields that the errors mention: all that is kept of their text."""
    words = set(re.findall(r"\w+", str(errors))) if errors else set()
    return tuple(name for name in _request_fields(op) if name in words)


@cache
def _request_fields(op: Operation) -> tuple[str, ...]:
    body = tuple(schemas.write_schema(op.body)["properties"]) if op.body else ()
    return (*body, *op.query)


@lru_cache(maxsize=64)
def _server_time_ms(date: str | None) -> int | None:
    if not date:
        return None
    try:
        moment = int(parsedate_to_datetime(date).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
    return moment if moment >= _EARLIEST_MS else None


def _where(op: Operation) -> str:
    return f"{op.name} ({op.method} {op.path})"
