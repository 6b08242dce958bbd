"""Writes the tables of the docs from the code, between their ``generated`` marks.

Fields come from ``schemas/``, operations from ``contract.py``, codes from ``errors.py`` and
settings from the plugins. ``--check`` writes nothing and only says what is stale.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bookio_api.contract import OPERATIONS
from bookio_api.errors import ERROR_CODES
from bookio_api.schemas import stream_schema, write_schema
from tap_bookio.paged_stream import PagedStream
from tap_bookio.settings import SETTINGS
from tap_bookio.tap import STREAMS
from target_bookio.settings import SETTINGS as TARGET_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent
PAGES = ("docs/settings.md", "docs/streams.md", "docs/api.md", "docs/privacy.md", "meltano.yml")
MARKED = re.compile(
    r"(?P<start>^[ ]*(?:<!--|#) generated: (?P<name>[\w-]+)(?: -->)?\n).*?"
    r"(?P<end>^[ ]*(?:<!--|#) /generated)",
    re.DOTALL | re.MULTILINE,
)
MELTANO_KINDS = {"object": "object", "array": "array"}
"""Numbers and switches go through Meltano 4.4.1 as text, which bookio_singer/values.py reads: it
crashes on a decimal, ends in a traceback at a number that is empty or none, and takes any slip for
false, so that ``TARGET_BOOKIO_DRY_RUN=ture`` would write for real."""
SCOPES = {
    "facilities": "one request",
    "calendars": "a request for each facility",
    "reservations": "each facility, paged",
    "blocked_times": "each facility, paged",
}


def generated(text: str) -> str:
    """Return a page with all of its generated parts made anew."""
    return MARKED.sub(lambda m: m["start"] + PARTS[m["name"]]() + m["end"], text)


def stale() -> list[str]:
    """Return the pages that are not as they would be made now."""
    texts = {page: (ROOT / page).read_text() for page in PAGES}
    return [page for page, text in texts.items() if generated(text) != text]


def tap_settings() -> str:
    return _settings_table(SETTINGS)


def target_settings() -> str:
    return _settings_table(TARGET_SETTINGS)


def streams() -> str:
    rows = []
    for stream in STREAMS:
        incremental = issubclass(stream, PagedStream)  # replication_key is a property there
        cursor = "`lastSync`" if incremental else "none, full table"
        rows.append((f"`{stream.name}`", "`id`", cursor, SCOPES[stream.name]))
    return _table(("stream", "key", "cursor", "scope"), rows)


def fields() -> str:
    tables = []
    for stream in STREAMS:
        schema = stream_schema(stream.name)
        rows = [(f"`{path}`", _kind(field), field["description"], field.get("x-evidence", ""),
                 field.get("x-personal", "")) for path, field in _leaves(schema)]  # fmt: skip
        heads = ("field", "type", "what", "evidence", "personal")
        tables.append(f"### {stream.name}\n\n{_table(heads, rows)}")
    return "\n".join(tables)


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
        (f"`{op.name}`", f"`{op.method} {op.path}`", op.evidence.value,
         ", ".join(write_schema(op.body)["properties"]) if op.body else ", ".join(op.query),
         f"`data.{op.rows}` ({op.evidence_rows.value})" if op.rows else "",
         "yes" if op.retry_safe else "no")
        for op in OPERATIONS.values()
    ]  # fmt: skip
    heads = ("operation", "method and path", "evidence", "takes", "list in", "safe to repeat")
    return _table(heads, rows)


def errors() -> str:
    rows = [(str(e.code), e.meaning, f"`{e.error.__name__}`", e.advice)
            for e in ERROR_CODES.values()]  # fmt: skip
    return _table(("code", "meaning", "raises", "what to do"), rows)


def meltano_tap() -> str:
    return _meltano_settings(SETTINGS)


def meltano_target() -> str:
    return _meltano_settings(TARGET_SETTINGS)


PARTS: dict[str, Callable[[], str]] = {
    "settings": tap_settings,
    "streams": streams,
    "fields": fields,
    "personal": personal,
    "operations": operations,
    "errors": errors,
    "tap-bookio": meltano_tap,
    "target-settings": target_settings,
    "target-bookio": meltano_target,
}


def _settings_table(settings: dict[str, Any]) -> str:
    rows = []
    for name, setting in settings.items():
        default = f"`{json.dumps(setting['default'])}`" if "default" in setting else ""
        marks = " **Secret.**" if setting.get("secret") else ""
        required = " **Required.**" if name == "auth_token" else ""
        rows.append((f"`{name}`", default, setting["description"] + required + marks))
    return _table(("setting", "default", "what"), rows)


def _meltano_settings(settings: dict[str, Any]) -> str:
    lines = []
    for name, setting in settings.items():
        lines += [f"- name: {name}", f"  kind: {_meltano_kind(setting)}"]
        if _meltano_kind(setting) == "options":
            lines.append("  options:")
            for option in setting["enum"]:
                lines += [f"  - label: {_label(option)}", f"    value: {option}"]
        if setting.get("secret"):
            lines.append("  sensitive: true")
        lines.append(f"  label: {setting['title']}")
        lines.append(f"  description: {json.dumps(setting['description'], ensure_ascii=False)}")
        if "default" in setting:
            lines.append(f"  value: {json.dumps(setting['default'])}")
    return "".join(f"    {line}\n" for line in lines)


def _label(option: str) -> str:
    return option.replace("_", " ").capitalize()


def _meltano_kind(setting: dict[str, Any]) -> str:
    if all(isinstance(option, str) for option in setting.get("enum", [None])):
        return "options"  # a switch among them would not match the text of a variable
    if setting.get("format") in {"date", "date-time"}:
        return "date_iso8601"
    return MELTANO_KINDS.get(_kind(setting), "string")


def _leaves(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every described field with its path; those of a list follow the list."""
    for name, field in schema.get("properties", {}).items():
        yield path + name, field
        yield from _leaves(field, f"{path}{name}.")
        yield from _leaves(field.get("items", {}), f"{path}{name}[].")


def _kind(field: dict[str, Any]) -> str:
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    return str(field.get("format") or next(kind for kind in kinds if kind != "null"))


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |\n" for row in lines)


def main() -> None:
    """Write the pages, or with ``--check`` fail if one is stale."""
    if "--check" in sys.argv:
        sys.exit(f"stale: {', '.join(pages)}; run make docs" if (pages := stale()) else 0)
    for page in PAGES:
        path = ROOT / page
        path.write_text(generated(path.read_text()))


if __name__ == "__main__":
    main()
