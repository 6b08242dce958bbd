"""A tap as the SDK's cookiecutter makes it: RESTStream, JSONPath, an offset paginator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import BearerTokenAuthenticator
from singer_sdk.pagination import BaseOffsetPaginator

PAGE = 100
SCHEMA = Path(__file__).parents[2] / "schemas" / "reservations.json"


class Pages(BaseOffsetPaginator):
    """Ends after a page that is not full."""

    def has_more(self, response: Any) -> bool:
        return len(response.json()["result"]["data"]["reservations"]) == PAGE


class Reservations(RESTStream):
    """The reservations, page by page."""

    name = "reservations"
    path = "/reservations"
    primary_keys = ("id",)
    schema: ClassVar[dict[str, Any]] = json.loads(SCHEMA.read_text())
    records_jsonpath = "$.result.data.reservations[*]"

    @property
    def url_base(self) -> str:
        return self.config["api_url"]

    @property
    def authenticator(self) -> BearerTokenAuthenticator:
        return BearerTokenAuthenticator(token=self.config["auth_token"])

    def get_new_paginator(self) -> Pages:
        return Pages(start_value=0, page_size=PAGE)

    def get_url_params(self, context: Any, next_page_token: Any) -> dict[str, Any]:
        return {"lang": "en", "facilityId": 1, "limit": PAGE, "offset": next_page_token or 0}


class StockTap(Tap):
    """A stock tap."""

    name = "tap-stock"
    config_jsonschema = th.PropertiesList(
        th.Property("api_url", th.StringType), th.Property("auth_token", th.StringType)
    ).to_dict()

    def discover_streams(self) -> list[RESTStream]:
        return [Reservations(self)]


if __name__ == "__main__":
    StockTap.cli()
