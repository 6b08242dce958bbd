"""One page of a list, as the scan wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bookio_api.answers import integer_id
from bookio_api.pages import Page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookio_api.client import BookioClient


def fetch_page(client: BookioClient, operation: str, query: Mapping[str, Any]) -> Page:
    """Ask a list operation once; every row of the page has an integer ``id``."""
    answer = client.call(operation, query=query)
    rows = client.rows(operation, answer)
    for row in rows:
        if type(row.get("id")) is not int:
            row["id"] = integer_id(operation, row.get("id"))
    pagination = answer.data.get("pagination")
    total = pagination.get("total") if isinstance(pagination, dict) else None
    return Page(rows, total if type(total) is int else None, answer.server_time_ms)
