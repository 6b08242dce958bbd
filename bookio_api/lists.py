"""One page of a list, as the scan wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bookio_api.answers import integer_id
from bookio_api.errors import ContractError
from bookio_api.pages import Page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookio_api.client import BookioClient


MOST_ROWS = 100_000
"""In one answer: a thousand times the greatest limit, for a server may ignore it.

Rows as Bookio's fill the 64 MiB of an answer before that; rows of nothing do not.
"""


def fetch_page(client: BookioClient, operation: str, query: Mapping[str, Any]) -> Page:
    """Ask a list operation once; every row of the page has an int64 as ``id``."""
    answer = client.call(operation, query=query)
    rows = client.rows(operation, answer)
    if len(rows) > MOST_ROWS:
        msg = f"{operation}: {len(rows)} rows in one answer, and at most {MOST_ROWS} are taken"
        raise ContractError(msg, operation=operation)
    for row in rows:
        row["id"] = integer_id(operation, row.get("id"))
    pagination = answer.data.get("pagination")
    total = pagination.get("total") if isinstance(pagination, dict) else None
    return Page(rows, total if type(total) is int else None, answer.server_time_ms)
