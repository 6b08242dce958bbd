"""Turns HTTP responses into data, or into the error that they report.

The envelope is ``{"result": {"success", "errors", "data"}}`` (C). Which HTTP status goes with
which failure, and which field carries the code, is unknown (U): every form is understood.
No text of a response gets into a message, because it may be a patient's.
"""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api import schemas
from bookio_api.decoding import is_html
from bookio_api.errors import (
    ERROR_CODES,
    AuthError,
    BookioError,
    BrokenResponseError,
    Code,
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
    from bookio_api.decoding import BodyDecoder

JsonObject = dict[str, Any]

NO_CONTENT = 204
MIN_REDIRECT, MIN_FAILURE, MIN_SERVER_FAILURE, MAX_STATUS = 300, 400, 500, 599
"""The first HTTP status of each kind, and the last of all."""

MAX_ID_BITS, MAX_ID_DIGITS = 63, 19
LARGE_BODY_BYTES, MAX_CONTAINERS = 1 << 20, 2_000_000
"""Limit for lists and objects in a large body: each byte of them decodes to 56."""
MIN_CLOCK_MS = 10**12
"""September 2001: a ``Date`` before it comes from a clock that was never set."""

_ID_NAME = re.compile(r"[a-z]{0,20}_?[iI][dD]", re.ASCII)
"""Other names that an id may have, such as ``bookioId`` or ``gid`` (S)."""
MAX_NAMES = 5

_STATUSES_WITH_ENVELOPE = {400, 409, 422}
"""Failures that Bookio words itself; for any other, an HTML page comes from a proxy."""

_GAVE_UP = (ServerError, "the server or a proxy gave up on the request", "try again later")
_REFUSED_BY_STATUS: dict[int, tuple[type[BookioError], str, str]] = {
    400: (ValidationError, "refused", ERROR_CODES[Code.VALIDATION].advice),
    401: (AuthError, "refused", ERROR_CODES[Code.BAD_TOKEN].advice),
    403: (PermissionDeniedError, "refused", ERROR_CODES[Code.FORBIDDEN].advice),
    404: (UnknownPathError, "refused", ERROR_CODES[Code.UNKNOWN_PATH].advice),
    405: (UnknownPathError, "refused", ERROR_CODES[Code.UNKNOWN_PATH].advice),
    408: _GAVE_UP,
    409: (DuplicateError, "refused", ERROR_CODES[Code.DUPLICATE].advice),
    421: _GAVE_UP,
    422: (ValidationError, "refused", ERROR_CODES[Code.VALIDATION].advice),
    425: _GAVE_UP,
    429: (
        RateLimitError,
        "too many requests",
        "set requests_per_second to what Bookio allows, or run again later",
    ),
    499: _GAVE_UP,
}


class RawResponse(NamedTuple):
    """An HTTP response, with the whole body, decompressed."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes | bytearray


class Response(NamedTuple):
    """A successful response."""

    data: JsonObject
    """``result.data``; ``{}`` if there is none."""
    server_time_ms: int | None = None
    """The server's clock in epoch ms, from ``Date``."""


def parse_response(decoder: BodyDecoder, op: Operation, raw: RawResponse) -> Response:
    """Return what a response contains, or raise the error that it reports.

    HTTP 200 alone is never trusted: ``success: false`` is a failure at any status (C).
    """
    status = raw.status
    server_time_ms = parse_http_date(raw.headers.get("Date"))
    if status == NO_CONTENT:
        return Response({}, server_time_ms)
    if MIN_REDIRECT <= status < MIN_FAILURE:
        msg = f"{_where(op)}: the server redirects elsewhere (HTTP {status}); check api_url"
        raise ContractError(msg, operation=op.name, status=status)
    try:
        result = _result(decoder, op, raw)
    except (BrokenResponseError, ContractError) as error:
        # The status decides about a failure even if nothing else can be read.
        is_page = isinstance(error, ContractError) and status in _STATUSES_WITH_ENVELOPE
        if status >= MIN_FAILURE and not is_page:
            raise _failure(op, raw, None, {}) from None
        raise
    code = _code(result)
    succeeded = result.get("success") not in (False, "false") and code in {None, 0, 200}
    if status >= MIN_FAILURE or not succeeded:
        raise _failure(op, raw, code, result)
    if not result.get("success") and "data" not in result:
        msg = f"{_where(op)}: the response has no result with success or data; check api_url"
        raise ContractError(msg, operation=op.name, status=status)
    data = result.get("data")
    if isinstance(data, list) and op.rows:
        data = {op.rows: data}
    return Response(data if isinstance(data, dict) else {}, server_time_ms)


def rows_in(op: Operation, data: JsonObject) -> list[JsonObject]:
    """Return the list in ``data``; most keys are guesses, so the only list there will do."""
    rows = data.get(op.rows) if op.rows else None
    if op.rows not in data:
        lists = [value for value in data.values() if isinstance(value, list)]
        rows = lists[0] if len(lists) == 1 else None
    if not isinstance(rows, list) or not set(map(type, rows)) <= {dict}:
        msg = (
            f"{_where(op)}: the response contains no list of objects named {op.rows!r}; "
            "check the operation in endpoint_overrides, and api_url"
        )
        raise ContractError(msg, operation=op.name)
    return rows


def row_id(op: Operation, row: JsonObject) -> int:
    """Return the ``id`` of a row, an int64 (C), even if sent as text or as a whole float."""
    value = whole_number(row.get("id"))
    if value is not None and value.bit_length() <= MAX_ID_BITS:
        return value
    others = ", ".join(sorted(filter(_ID_NAME.fullmatch, row))[:MAX_NAMES])
    msg = (
        f"{_where(op)}: a row has no numeric id"
        f"{f', only {others}' if others else ''}; please report this line"
    )
    raise ContractError(msg, operation=op.name)


def whole_number(value: object) -> int | None:
    """Return a number that may be sent as text (``"17"``) or as a float (``17.0``)."""
    if type(value) is int:
        return value
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]+(\.0+)?", value.strip()):
        digits = value.strip().partition(".")[0]
        return int(digits) if len(digits) <= MAX_ID_DIGITS + 1 else None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return None


@lru_cache(maxsize=64)
def parse_http_date(date: str | None) -> int | None:
    """Return the date of a header in epoch ms, or ``None`` if it is invalid or implausible.

    A date without a zone (asctime's form, or ``-0000``) is in UTC, not in our own zone.
    """
    if not date:
        return None
    try:
        parsed = parsedate_to_datetime(date)
        if parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=UTC)
        moment = int(parsed.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
    return moment if moment >= MIN_CLOCK_MS else None


def is_overfull(body: bytes | bytearray) -> bool:
    """Whether a body contains so many lists and objects that it must not be decoded."""
    return len(body) > LARGE_BODY_BYTES and body.count(b"[") + body.count(b"{") > MAX_CONTAINERS


def _result(decoder: BodyDecoder, op: Operation, raw: RawResponse) -> JsonObject:
    """Return ``result``, with a code beside it moved in."""
    status, headers, body = raw
    if is_overfull(body):
        msg = f"{op.name}: the response contains more than {MAX_CONTAINERS} lists and objects"
        raise ContractError(msg, operation=op.name, status=status)
    try:
        content_type = headers.get("Content-Type") or ""
        document = decoder.decode(body, content_type=content_type, source=op.name)
    except RecursionError as error:
        msg = f"{_where(op)}: the response (HTTP {status}) is nested too deeply; check api_url"
        raise ContractError(msg, operation=op.name, status=status) from error
    except ValueError as error:
        page = is_html(body)
        kind = "HTML" if page else "not valid JSON, or cut off" if body else "empty"
        msg = f"{_where(op)}: the response (HTTP {status}) is {kind}; check api_url"
        failure = ContractError if page else BrokenResponseError
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


def _failure(op: Operation, raw: RawResponse, code: int | None, result: JsonObject) -> BookioError:
    """Return the error that a response reports, by its code or, without one, its status.

    A code that the vendor's table lacks may be a status itself (S: 409, 422), sent with HTTP 200.
    """
    status, fields = raw.status, _fields(op, result.get("errors"))
    known = ERROR_CODES.get(code) if code is not None else None
    sent_as_code = status < MIN_FAILURE <= (code or 0) <= MAX_STATUS
    meant = (code or 0) if sent_as_code else status
    if known is not None:
        kind, meaning, advice = known.error, known.meaning, known.advice
    elif meant in _REFUSED_BY_STATUS:
        kind, meaning, advice = _REFUSED_BY_STATUS[meant]
    elif meant >= MIN_SERVER_FAILURE:
        kind, meaning, advice = ServerError, "the server failed", "try again later"
    elif meant >= MIN_FAILURE or op.retry_safe:
        kind, meaning, advice = ContractError, "refused without a known code", "check api_url"
    else:
        kind, meaning, advice = ValidationError, "refused without a known code", "check the record"
    parts = [f"HTTP {status}"] + ([f"code {code}"] if code is not None else [])
    named = f" (fields: {', '.join(fields)})" if fields else ""
    msg = f"{_where(op)}: {meaning} ({', '.join(parts)}){named}; {advice}"
    error = kind(msg, operation=op.name, status=status, code=code, fields=fields)
    error.server_time_ms = parse_http_date(raw.headers.get("Date"))
    return error


def _code(result: JsonObject) -> int | None:
    """Return Bookio's error code, under either of its possible names (U)."""
    for name in ("errorCode", "code"):
        value = result.get(name)
        if isinstance(value, int | float | str) and re.fullmatch(r"\d{1,4}(\.0)?", str(value)):
            return int(float(value))
    return None


def _fields(op: Operation, errors: object) -> tuple[str, ...]:
    """Return the request fields that the errors mention; the rest of their text is dropped."""
    words = set(re.findall(r"\w+", str(errors))) if errors else set()
    return tuple(name for name in _request_fields(op) if name in words)


@cache
def _request_fields(op: Operation) -> tuple[str, ...]:
    body = tuple(schemas.write_schema(op.body)["properties"]) if op.body else ()
    return (*body, *op.query)


def _where(op: Operation) -> str:
    return f"{op.name} ({op.method} {op.path})"
