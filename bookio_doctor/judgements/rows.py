"""Judges the contents of rows: times and fields."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bookio_api.contract import RESOURCES, Evidence
from bookio_api.schemas import stream_schema
from bookio_doctor.finding import Finding, Verdict
from bookio_doctor.names import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_doctor.answers import Row
    from bookio_doctor.observations import Survey

C, S, G, U = Evidence
HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict

_WALL = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}")
_OPENING_HOURS = range(5, 22)


def judge_times(survey: Survey) -> Iterator[Finding]:
    """Judge the form of datetimes, and whether they fit opening hours."""
    texts = [t for row in survey.reservations.rows if isinstance(t := row.get("dateFrom"), str)]
    if not texts:
        yield Finding("datetimes", "they are wall time, 2018-06-29T12:00:00", C, NOT_SHOWN, "none")
        return
    plain = sum(bool(_WALL.fullmatch(text)) for text in texts)
    forms = ", ".join(sorted({re.sub(r"\d", "9", text)[:32] for text in texts})[:3])
    yield Finding(
        "datetimes",
        "they are wall time, 2018-06-29T12:00:00",
        C,
        HOLDS if plain == len(texts) else DIFFERS,
        f"form {forms}",
        "" if plain == len(texts) else "the tap can parse these formats",
    )
    hours = [int(text[11:13]) for text in texts if text[11:13].isdecimal()]
    fitting = sum(hour in _OPENING_HOURS for hour in hours)
    fits = bool(hours) and fitting >= 0.95 * len(hours)
    yield Finding(
        "opening hours",
        "datetimes are local to the facility",
        G,
        HOLDS if fits else DIFFERS,
        f"{fitting} of {len(hours)} terms begin between 5:00 and 22:00",
        "" if fits else "check a booking that you know before you trust the times",
    )


def judge_fields(survey: Survey) -> Iterator[Finding]:
    """Judge fields that no schema lists, and listed ones that Bookio never sends."""
    for resource in RESOURCES.values():
        rows = survey.rows(resource.list_operation)
        topic = f"{resource.name}: fields"
        if not rows:
            yield Finding(topic, "the schema lists them", G, NOT_SHOWN, "no row")
            continue
        known = stream_schema(resource.name)["properties"]
        arrived = {name: value for row in rows for name, value in row.items()}
        unknown = sorted(name for name in arrived.keys() - known.keys() if safe_name(name))
        never = sorted(known.keys() - arrived.keys())
        kinds = {name: _kinds(rows, name) for name in unknown}
        more = ", ".join(f"{name} ({'/'.join(kinds[name])})" for name in unknown) or "none"
        yield Finding(
            topic,
            "the schema lists them",
            G,
            DIFFERS if unknown or never else HOLDS,
            f"unknown: {more}; never sent: {', '.join(never) or 'none'}",
            "unknown fields pass through; list them in the catalog to get columns"
            if unknown
            else "missing fields are null"
            if never
            else "",
            patch=tuple(
                {
                    "op": "add",
                    "path": f"/properties/{name}",
                    "value": {"type": [*kinds[name], "null"]},
                }
                for name in unknown
            ),
            stream=resource.name,
        )
    yield from _judge_marks(survey)


def _judge_marks(survey: Survey) -> Iterator[Finding]:
    for name, meaning in (
        ("externalId", "a write whose response is lost is then recognised by patient and term"),
        ("status", "the list does not show cancellations"),
    ):
        rows = survey.reservations.rows
        if rows:
            shown = any(name in row for row in rows)
            yield Finding(
                f"reservations: {name}",
                f"the list shows {name}",
                G,
                HOLDS if shown else DIFFERS,
                "it does" if shown else "it does not",
                "" if shown else meaning,
            )


def _kinds(rows: list[Row], name: str) -> list[str]:
    """Return the JSON types of a field's values, without null."""
    names = {
        bool: "boolean",
        int: "integer",
        float: "number",
        str: "string",
        list: "array",
        dict: "object",
    }
    kinds = {names[type(row[name])] for row in rows if row.get(name) is not None}
    return sorted(kinds) or ["string"]
