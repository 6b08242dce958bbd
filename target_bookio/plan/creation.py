"""The request that creates a row, or why it cannot be created."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from bookio_api.contract import OPERATIONS, RESOURCES
from bookio_api.schemas import write_schema
from target_bookio.plan.operations import Step
from target_bookio.plan.plan import Plan, reject, write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from target_bookio.desired import Desired


def creation(desired: Desired) -> Plan:
    """Return the plan that creates what a record asks for."""
    operation = RESOURCES[desired.stream].create
    assert operation is not None, "only writable streams have records"
    schema = write_schema(OPERATIONS[operation].body or "")
    values = {name: desired.values[name] for name in schema["properties"] if name in desired.values}
    if missing := _missing(OPERATIONS[operation].body or "", values):
        return reject(f"to create it Bookio needs {', '.join(missing)}", *missing)
    return write((Step(operation, values),))


def _missing(body: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the required fields that are missing or blank."""
    return tuple(
        name
        for name, is_text in _required(body).items()
        if values.get(name) is None or (is_text and not str(values[name]).strip())
    )


@cache
def _required(body: str) -> Mapping[str, bool]:
    """Return the required fields, and for each whether a blank value counts as missing."""
    schema = write_schema(body)
    return {name: "minLength" in schema["properties"][name] for name in schema["required"]}
