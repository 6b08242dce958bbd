"""The OpenAPI 3.1 description of Bookio, generated from the contract and the schemas.

``x-evidence`` says how well a path, a list's place or a field is known: C, S, G or U, as in
``bookio_api/contract.py``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bookio_api.contract import MAX_PAGE_SIZE, OPERATIONS, PRODUCTION_URL, ReservationStatus
from bookio_api.schemas import stream_schema, write_schema
from bookio_sandbox.api.lists import STREAM_OF_LIST

if TYPE_CHECKING:
    from bookio_api.contract import Operation

Json = dict[str, Any]

_INT64 = {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1}
_DATE = {"type": "string", "format": "date"}
_WALL = {"type": ["string", "null"], "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$"}

_QUERY: dict[str, Json] = {
    "email": {"type": "string"},
    "number": {"type": "string"},
    "status": {"type": "string", "enum": list(ReservationStatus)},
    "offset": {"type": "integer", "minimum": 0, "default": 0},
    "limit": {"type": "integer", "minimum": 0, "maximum": MAX_PAGE_SIZE, "default": MAX_PAGE_SIZE},
    "facilityId": _INT64,
    "from": _DATE,
    "to": _DATE,
    "dateFrom": _DATE,
    "dateTo": _DATE,
    "date": _DATE,
    "onlyUnsynced": {"type": "boolean"},
    "lastSync": {"type": "number"},
}

_ERROR = {
    "type": "object",
    "required": ["result"],
    "properties": {
        "result": {
            "type": "object",
            "required": ["success", "errorCode", "errors"],
            "properties": {
                "success": {"const": False},
                "errorCode": {"type": "integer"},
                "errors": {"type": "array", "items": {"type": "string"}},
            },
        }
    },
}


@cache
def openapi() -> Json:
    """Return the description; it is cached, so do not change it."""
    paths: dict[str, Json] = {}
    for operation in OPERATIONS.values():
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Bookio Medical Public API, as guessed", "version": "1.0.4"},
        "servers": [{"url": urlsplit(PRODUCTION_URL).path}],
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    }


def _operation(operation: Operation) -> Json:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _INT64}
        for name in sorted(operation.path_parameters)
    ]
    parameters += [
        {"name": name, "in": "query", "schema": _QUERY[name]} for name in operation.query
    ]
    parameters.append({"name": "lang", "in": "query", "schema": {"type": "string"}})
    described: Json = {
        "operationId": operation.name,
        "summary": operation.summary,
        "x-evidence": operation.evidence.value,
        "parameters": parameters,
        "responses": {
            "200": _json("success", _envelope(operation)),
            "default": _json("refused", _ERROR),
        },
    }
    if operation.body:
        schema = write_schema(operation.body)
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    return described


def _json(description: str, schema: Json) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _envelope(operation: Operation) -> Json:
    data: Json = {"type": "object"}
    if operation.rows:
        rows = _as_sent(stream_schema(STREAM_OF_LIST[operation.name]))
        data["properties"] = {
            operation.rows: {
                "type": "array",
                "items": rows,
                "x-evidence": operation.evidence_rows.value,
            }
        }
        data["required"] = [operation.rows]
    if operation.paged:
        data["properties"]["pagination"] = {
            "type": "object",
            "required": ["offset", "limit"],
            "properties": {name: {"type": "integer"} for name in ("total", "offset", "limit")},
        }
        data["required"].append("pagination")
    result = {
        "type": "object",
        "required": ["success", "data"],
        "properties": {"success": {"const": True}, "data": data},
    }
    return {"type": "object", "required": ["result"], "properties": {"result": result}}


def _as_sent(schema: Json) -> Json:
    """Turn a stream's schema into Bookio's: datetimes without offset, the postcode as a number."""
    if schema.get("format") == "date-time":
        return _WALL
    properties = {
        name: {"type": "integer"} if name == "postcode" else _as_sent(child)
        for name, child in schema.get("properties", {}).items()
    }
    return schema | {"properties": properties} if properties else schema
