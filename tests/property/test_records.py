"""The compiled walk and a slow, obvious one make the same records of random rows.

``BOOKIO_SEED`` and ``BOOKIO_ROWS`` choose the seed and how many pages of rows are made; a failure
prints its seed.
"""

from __future__ import annotations

import copy
import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from bookio_api.localtime import OffsetClock, zone
from bookio_api.schemas import stream_schema
from tap_bookio.records.columns import Plan
from tap_bookio.records.privacy import Pseudonyms
from tests.record_builders import KEY, builder_of
from tests.slow_records import SlowRecords

if TYPE_CHECKING:
    from tap_bookio.records.columns import FieldRule

SEED = int(os.environ.get("BOOKIO_SEED") or random.SystemRandom().randrange(10**6))
PAGES = int(os.environ.get("BOOKIO_PAGES", "150"))
STREAMS = ("reservations", "calendars", "facilities", "blocked_times")
MODES = ("keep", "pseudonymise", "omit")
ZONES = ("Europe/Bratislava", "Europe/London", "Australia/Lord_Howe", "America/St_Johns", "UTC")
TEXTS = (
    "",
    " ",
    "Ján Novák",
    "CONFIRMED",
    "30",
    " 7.0",
    "true",
    "1e999",
    "nan",
    "2018",
    "a-b",
    "2018-06-29",
    "2018-06-29T24:00",
    "2026-02-29T10:00:00",
    "2026-03-29T02:30:00",
    "soon",
    "2026-10-25 02:30",
    "2018-06-29T12:00:00Z",
    "2018-06-29 12:00:00.250000 +0330",
    "2018-06-29T12:00:00+99:00",
    "1880-01-01T00:00:00",
    "on 2018-06-29T12:00:00",
)
NUMBERS = (0, 1, -1, 30, 82104, 421905123456, 2**63 - 1, 2**63, -(2**63) - 1, 10**40)
REALS = (0.0, 1.5, 30.0, 123456789012.5, -7.0, 1e15)


def scalar(draw: random.Random) -> Any:
    day = f"20{draw.randint(10, 40)}-{draw.randint(1, 12):02}-{draw.randint(1, 31):02}"
    moment = f"{day}T{draw.randint(0, 23):02}:{draw.randint(0, 59):02}:{draw.randint(0, 59):02}"
    return draw.choice(
        (
            None,
            draw.choice((True, False)),
            draw.choice(TEXTS),
            draw.choice(NUMBERS),
            draw.choice(REALS),
            moment,
            moment,
            moment,
        )
    )


def loose(draw: random.Random, levels: int) -> Any:
    """Return any JSON value."""
    shape = draw.random() if levels else 1
    if shape < 0.15:
        return {draw.choice("abc"): loose(draw, levels - 1) for _ in range(draw.randint(0, 3))}
    if shape < 0.3:
        return [loose(draw, levels - 1) for _ in range(draw.randint(0, 3))]
    return scalar(draw)


def value_for(field: dict[str, Any], draw: random.Random) -> Any:
    """Return a value that a field expects, more or less."""
    if draw.random() < 0.2:
        return loose(draw, 3)
    if "object" in field["type"]:
        return row_for(field, draw)
    if "array" in field["type"]:
        return [value_for(field["items"], draw) for _ in range(draw.randint(0, 3))]
    return scalar(draw)


def row_for(schema: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    fields = schema.get("properties", {})
    names = [name for name in fields if draw.random() < 0.9] + ["modified", "extra", "Ján"]
    draw.shuffle(names)
    return {
        name: value_for(fields[name], draw) if name in fields else loose(draw, 3) for name in names
    }


def page_for(schema: dict[str, Any], draw: random.Random) -> list[dict[str, Any]]:
    """Return rows of few forms, as a list has them, but for some odd ones."""
    forms = [row_for(schema, draw) for _ in range(3)]
    rows = []
    for _ in range(20):
        row = dict(draw.choice(forms))
        for name in draw.sample([*row], min(3, len(row))):
            field = schema["properties"].get(name)
            row[name] = value_for(field, draw) if field else loose(draw, 3)
        rows.append(row)
    return rows


def typed(value: Any) -> Any:
    """Return a value that differs from another where their types do: 1, 1.0 and True."""
    if isinstance(value, dict):
        return {name: typed(item) for name, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return type(value), repr(value)


def differences(seed: int) -> list[tuple[Any, Any, Any]]:
    """Return rows of one random page whose records are not those of the slow walk."""
    draw = random.Random(seed)
    stream, mode, name = draw.choice(STREAMS), draw.choice(MODES), draw.choice(ZONES)
    schema, tz = stream_schema(stream), zone(name)
    builder = builder_of(stream, mode)
    slow = SlowRecords(mode, Pseudonyms(KEY) if mode == "pseudonymise" else None, tz)
    clock = OffsetClock(tz)
    found = []
    for _ in range(3):  # the same builder, so that it remembers forms and days
        rows = page_for(schema, draw)
        before = copy.deepcopy(rows)
        records = builder.records(rows, clock)
        assert typed(rows) == typed(before), "the scan compares the rows"
        expected = [slow.record(row, schema) for row in rows]
        pairs = zip(before, records, expected, strict=True)
        found += [pair for pair in pairs if typed(pair[1]) != typed(pair[2])]
    return found


def test_the_compiled_walk_equals_the_slow_one() -> None:
    """A record does not depend on earlier rows, or on the fast path."""
    print(f"BOOKIO_SEED={SEED} BOOKIO_PAGES={PAGES}")
    for seed in range(SEED, SEED + PAGES):
        for row, record, expected in differences(seed):
            wrong = {
                key: (value, record.get(key), expected.get(key))
                for key, value in row.items()
                if typed(record.get(key)) != typed(expected.get(key))
            }
            pytest.fail(f"BOOKIO_SEED={seed}: {wrong}")


def test_a_walk_that_ignores_types_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a column that is taken for one of other types makes a difference."""
    first: dict[FieldRule, Plan] = {}
    careful = Plan.of

    def careless(rule: FieldRule, kinds: frozenset[type]) -> Plan:
        return first.setdefault(rule, careful(rule, kinds))

    monkeypatch.setattr(Plan, "of", careless)
    broken = 0
    for seed in range(SEED, SEED + 20):
        try:
            broken += bool(differences(seed))
        except (TypeError, AttributeError, KeyError, ValueError):
            broken += 1
    assert broken
