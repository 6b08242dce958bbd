"""A target as the SDK's cookiecutter makes it: one POST after another."""

from __future__ import annotations

from typing import Any

import requests
from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.sinks import RecordSink


class Poster(RecordSink):
    """Posts each record."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {self.config['auth_token']}"

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        url = f"{self.config['api_url']}/reservations?lang=en"
        self._session.post(url, json=record, timeout=30).raise_for_status()


class StockTarget(Target):
    """A stock target."""

    name = "target-stock"
    default_sink_class = Poster
    config_jsonschema = th.PropertiesList(
        th.Property("api_url", th.StringType), th.Property("auth_token", th.StringType)
    ).to_dict()


if __name__ == "__main__":
    StockTarget.cli()
