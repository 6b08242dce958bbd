"""Lines that are not strict JSON: only what cannot be decoded is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from target_bookio.lenient_json import MAX_DEPTH, Undecodable, decode, has_undecodable

HUGE = "9" * 5_000
DEEP = 100_000


def nested(depth: int, opening: str, closing: str) -> str:
    return f"{opening * depth}1{closing * depth}"


@pytest.mark.parametrize(
    "value",
    [HUGE, f"-{HUGE}", f"[{HUGE}]", nested(DEEP, "[", "]"), nested(DEEP, '{"b":', "}")],
    ids=["huge", "negative", "in a list", "lists", "objects"],
)
def test_a_value_that_cannot_be_decoded_leaves_the_others(value: str) -> None:
    line = f'{{"text": "[[[ \\" {{", "bad": {value}, "list": [[1]]}}'
    decoded, is_odd = decode(line.encode())
    assert is_odd
    assert isinstance(decoded, dict)
    bad = decoded.pop("bad")
    assert has_undecodable(bad)
    assert decoded == {"text": '[[[ " {', "list": [[1]]}


def test_strict_json_is_decoded_to_any_depth_that_the_decoder_takes() -> None:
    """The control: a limit applies only where the strict decoder gave up."""
    line = nested(2 * MAX_DEPTH, "[", "]")
    assert decode(line.encode()) == (json.loads(line), False)


@pytest.mark.parametrize("line", [b"", b"{", b"[" * DEEP, b"]" * DEEP, b'{"a": "\\', b"\xff"])
def test_what_is_not_json_is_none(line: bytes) -> None:
    assert decode(line) == (None, True)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**4_000, "\ud800"])
def test_odd_values_are_decoded_as_they_are(value: Any) -> None:
    decoded, is_odd = decode(json.dumps([value]).encode())
    assert repr(decoded) == repr([value])
    assert is_odd is not isinstance(value, int)
    assert not isinstance(decoded, Undecodable)
