"""Judges which fields come, and of which types."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from bookio_api.contract import RESOURCES, Evidence
from bookio_api.schemas import stream_schema
from bookio_doctor.finding import Finding, Verdict
from bookio_doctor.known_values import Effect, known_values
from bookio_doctor.names import safe_name
from bookio_singer.coercions import JSON_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_doctor.observations import Survey

Row = dict[str, Any]

C, S, G, U = Evidence
HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict

_MAX_SHOWN = 8


def judge_fields(survey: Survey) -> Iterator[Finding]:
    """Judge the fields of each stream, their types, and two fields that decide a lot."""
    for resource in RESOURCES.values():
        rows = survey.rows(resource.list_operation)
        yield _judge_names(resource.name, rows)
        yield _judge_types(resource.name, rows)
    rows = survey.reservations.rows
    if rows:
        meaning = "a write whose response is lost is then recognised by patient and term"
        yield _judge_mark("externalId", rows, meaning)
        yield _judge_mark("status", rows, "the list does not show cancellations")


def _judge_names(stream: str, rows: list[Row]) -> Finding:
    """Compare the names of fields with the schema's; names that look odd are only counted."""
    topic, assumption = f"{stream}: fields", "the schema lists them"
    if not rows:
        return Finding(topic, assumption, G, NOT_SHOWN, "no row")
    listed = stream_schema(stream)["properties"].keys()
    arrived = {name for row in rows for name in row}
    shown = sorted(name for name in arrived - listed if safe_name(name))
    hidden = len(arrived - listed) - len(shown)
    never = sorted(listed - arrived)
    kinds = {name: _kinds(rows, name) for name in shown}
    unknown = [f"{name} ({'/'.join(kinds[name])})" for name in shown]
    if hidden:
        unknown.append(f"{hidden} more, whose names are not shown")
    meanings = []
    if unknown:
        meanings.append("unknown fields pass through; list them in the catalog to get columns")
    if never:
        meanings.append("missing fields are null")
    return Finding(
        topic,
        assumption,
        G,
        DIFFERS if meanings else HOLDS,
        f"unknown: {', '.join(unknown) or 'none'}; never sent: {', '.join(never) or 'none'}",
        "; ".join(meanings),
        patch=tuple(
            {"op": "add", "path": f"/properties/{name}", "value": {"type": [*kinds[name], "null"]}}
            for name in shown
        ),
        stream=stream,
    )


def _judge_types(stream: str, rows: list[Row]) -> Finding:
    """Compare the types of known fields with the schema; datetimes are judged in `times`."""
    topic, assumption = f"{stream}: types", "values have the types in the schema"
    values = [v for v in known_values(rows, stream_schema(stream)) if not v.is_datetime]
    if not values:
        return Finding(topic, assumption, G, NOT_SHOWN, "no row")
    total = Counter(value.path for value in values)
    others = Counter((v.path, v.kind, v.effect) for v in values if v.effect is not Effect.KEPT)
    if not others:
        return Finding(topic, assumption, G, HOLDS, f"{len(total)} fields have them")
    seen = [
        f"{path}: {count} of {total[path]} are of type {kind}, {effect}"
        for (path, kind, effect), count in others.items()
    ]
    if len(seen) > _MAX_SHOWN:
        seen[_MAX_SHOWN:] = [f"{len(seen) - _MAX_SHOWN} more"]
    is_lossy = any(effect is Effect.EMPTIED for _, _, effect in others)
    meaning = (
        "the tap loses the values that it leaves empty: please tell the maintainers"
        if is_lossy
        else "the tap converts them without loss, so you need not set anything"
    )
    return Finding(topic, assumption, G, DIFFERS, "; ".join(seen), meaning)


def _judge_mark(name: str, rows: list[Row], meaning: str) -> Finding:
    topic, assumption = f"reservations: {name}", f"the list shows {name}"
    if any(name in row for row in rows):
        return Finding(topic, assumption, G, HOLDS, "it does")
    return Finding(topic, assumption, G, DIFFERS, "it does not", meaning)


def _kinds(rows: list[Row], name: str) -> list[str]:
    """Return the JSON types of a field's values, without null."""
    kinds = {JSON_TYPES[type(row[name])] for row in rows if row.get(name) is not None}
    return sorted(kinds) or ["string"]
