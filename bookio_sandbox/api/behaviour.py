"""What is unknown about Bookio (evidence U), as options: a client must cope with each of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bookio_api.contract import MAX_PAGE_SIZE, OPERATIONS
from bookio_sandbox.api.faults import parse_faults

Order = Literal["id", "-id", "modified", "-modified", "dateFrom", "-dateFrom", "random"]


class Behaviour(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How this Bookio responds; every field is an option of ``bookio-sandbox``."""

    order: Annotated[Order, Meta(description="sort order of lists; random differs per request")] = (
        "id"
    )
    page_cap: Annotated[
        int, Meta(ge=1, description="maximum rows per page, whatever the limit")
    ] = MAX_PAGE_SIZE
    total: Annotated[bool, Meta(description="send pagination.total")] = True
    last_sync: Annotated[
        Literal["gt", "ge"], Meta(description="lastSync compares with > or >=")
    ] = "gt"
    range_match: Annotated[
        Literal["start", "within", "overlap"],
        Meta(description="rows that a date range matches: start in it, lie within, or touch it"),
    ] = "start"
    range_end: Annotated[
        Literal["inclusive", "exclusive"],
        Meta(description="whether a date range includes its last day"),
    ] = "inclusive"
    hide: Annotated[
        tuple[str, ...], Meta(description="fields that lists leave out, e.g. externalId")
    ] = ()
    hide_written_numbers: Annotated[
        bool, Meta(description="lists leave out externalId where it was written through the API")
    ] = False
    list_lag: Annotated[
        float, Meta(ge=0, description="seconds by which lists lag behind changes")
    ] = 0
    last_sync_misses_writes: Annotated[
        bool, Meta(description="lastSync does not return rows written through the API")
    ] = False
    write_answer: Annotated[
        Literal["id", "row", "nothing"], Meta(description="what a write returns in data")
    ] = "id"
    duplicate_check: Annotated[bool, Meta(description="refuse a second booking (code 40)")] = True
    capacity_check: Annotated[bool, Meta(description="refuse a full term (code 30)")] = True
    error_style: Annotated[
        Literal["400", "200", "status"],
        Meta(description="HTTP status of an error: 400, 200, or the one that fits (401, 404, 409)"),
    ] = "400"
    forbid: Annotated[
        tuple[str, ...], Meta(description="operations that the token may not use (code 403)")
    ] = ()
    date: Annotated[bool, Meta(description="send the Date header")] = True
    latency_ms: Annotated[float, Meta(ge=0, description="delay of every response")] = 0
    faults: Annotated[
        str, Meta(description="e.g. reset-after=0.1,429=0.05: a probability per request")
    ] = ""

    def changed(self, changes: dict[str, Any]) -> Behaviour:
        """Return a copy with new values. ``ValueError`` says in one line which value is wrong."""
        behaviour = msgspec.convert(
            msgspec.to_builtins(self) | changes, type=Behaviour, strict=False
        )
        unknown = set(behaviour.forbid) - set(OPERATIONS)
        if unknown:
            msg = f"forbid names an unknown operation: {', '.join(sorted(unknown))}"
            raise ValueError(msg)
        parse_faults(behaviour.faults)
        return behaviour
