"""The generated tables of the docs, and the diagram of the streams, as Markdown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bookio_api.contract import OPERATIONS
from bookio_api.errors import ERROR_CODES, BookioError
from bookio_api.schemas import stream_schema, write_schema
from tap_bookio.paged_stream import PagedStream
from tap_bookio.settings import SETTINGS
from tap_bookio.streams import ScansStream
from tap_bookio.tap import STREAMS
from tap_warehouse.settings import SETTINGS as WAREHOUSE_SETTINGS
from target_bookio.settings import SETTINGS as TARGET_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

SCOPES = {
    "facilities": "one request",
    "calendars": "a request for each facility",
    "reservations": "each facility, paged",
    "blocked_times": "each facility, paged",
}
REQUIRED = ("auth_token", "queries")
NAMES = [*(stream.name for stream in STREAMS), ScansStream.name]


def tap_settings() -> str:
    return _settings(SETTINGS)


def target_settings() -> str:
    return _settings(TARGET_SETTINGS)


def warehouse_settings() -> str:
    return _settings(WAREHOUSE_SETTINGS)


def streams() -> str:
    rows = []
    for stream in STREAMS:
        incremental = issubclass(stream, PagedStream)  # replication_key is a property there
        cursor = "`lastSync`" if incremental else "none, full table"
        rows.append((f"`{stream.name}`", "`id`", cursor, SCOPES[stream.name]))
    return _table(("stream", "key", "cursor", "scope"), rows)


def fields() -> str:
    tables = []
    for name in NAMES:
        rows = [
            (
                f"`{path}`",
                kind(field),
                field["description"],
                field.get("x-evidence", ""),
                field.get("x-personal", ""),
            )
            for path, field in _leaves(stream_schema(name))
        ]
        heads = ("field", "type", "what", "evidence", "personal")
        tables.append(f"### {name}\n\n{_table(heads, rows)}")
    return "\n".join(tables)


def entities() -> str:
    """Return the streams as a Mermaid entity diagram: columns, keys and references."""
    lines = ["erDiagram"]
    lines += [
        f"    facilities ||--o{{ {name} : facilityId"
        for name in NAMES
        if "facilityId" in stream_schema(name)["properties"]
    ]
    lines.append('    calendars }o--o{ reservations : "serviceId, among services"')
    for name in NAMES:
        lines.append(f"    {name} {{")
        for column, field in stream_schema(name)["properties"].items():
            key = " PK" if column in _keys(name) else ""
            lines.append(f"        {kind(field)} {column}{key}")
        lines.append("    }")
    return "```mermaid\n{}\n```\n".format("\n".join(lines))


def personal() -> str:
    rows = [
        (f"`{stream.name}`", f"`{path}`", field["x-personal"], field["description"])
        for stream in STREAMS
        for path, field in _leaves(stream_schema(stream.name))
        if "x-personal" in field
    ]
    return _table(("stream", "field", "kind", "what"), rows)


def operations() -> str:
    rows = [
        (
            f"`{op.name}`",
            f"`{op.method} {op.path}`",
            op.evidence.value,
            ", ".join(write_schema(op.body)["properties"] if op.body else op.query),
            f"`data.{op.rows}` ({op.evidence_rows.value})" if op.rows else "",
            "yes" if op.retry_safe else "no",
        )
        for op in OPERATIONS.values()
    ]
    heads = ("operation", "method and path", "evidence", "takes", "list in", "safe to repeat")
    return _table(heads, rows)


def errors() -> str:
    rows = [
        (str(e.code), e.meaning, f"`{e.error.__name__}`", e.advice) for e in ERROR_CODES.values()
    ]
    return _table(("code", "meaning", "raises", "what to do"), rows)


def exceptions() -> str:
    """Return every exception of ``bookio_api.errors``, each subclass below its base."""

    def below(error: type[BookioError]) -> Iterator[tuple[str, str]]:
        for child in error.__subclasses__():
            if child.__module__ == BookioError.__module__:
                first, _, _ = (child.__doc__ or "").partition("\n")
                yield f"`{child.__name__}`", first.rstrip(".")
                yield from below(child)

    return _table(("exception", "meaning"), list(below(BookioError)))


def kind(field: dict[str, Any]) -> str:
    """Return the type of a property, or its format, which says more."""
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    return str(field.get("format") or next(kind for kind in kinds if kind != "null"))


def _keys(name: str) -> list[str]:
    return list(ScansStream.primary_keys) if name == ScansStream.name else ["id"]


def _settings(settings: dict[str, Any]) -> str:
    rows = []
    for name, setting in settings.items():
        default = f"`{json.dumps(setting['default'])}`" if "default" in setting else ""
        marks = " **Secret.**" if setting.get("secret") else ""
        required = " **Required.**" if name in REQUIRED else ""
        rows.append((f"`{name}`", default, setting["description"] + required + marks))
    return _table(("setting", "default", "what"), rows)


def _leaves(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every described field with its path; the fields of list items follow the list."""
    for name, field in schema.get("properties", {}).items():
        yield path + name, field
        yield from _leaves(field, f"{path}{name}.")
        yield from _leaves(field.get("items", {}), f"{path}{name}[].")


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |\n" for row in lines)
