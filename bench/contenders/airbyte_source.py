"""Airbyte's CDK: a declarative source, as its connector builder makes it."""

from __future__ import annotations

import json
import sys
from typing import Any

from airbyte_cdk.entrypoint import launch
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    ConcurrentDeclarativeSource,
)

MANIFEST: dict[str, Any] = {
    "version": "6.0.0",
    "type": "DeclarativeSource",
    "check": {"type": "CheckStream", "stream_names": ["reservations"]},
    "streams": [
        {
            "type": "DeclarativeStream",
            "name": "reservations",
            "primary_key": ["id"],
            "schema_loader": {
                "type": "InlineSchemaLoader",
                "schema": {"type": "object", "properties": {"id": {"type": "integer"}}},
            },
            "retriever": {
                "type": "SimpleRetriever",
                "requester": {
                    "type": "HttpRequester",
                    "url_base": "{{ config['api_url'] }}",
                    "path": "/reservations",
                    "http_method": "GET",
                    "request_parameters": {"lang": "en", "facilityId": "1"},
                    "authenticator": {
                        "type": "BearerAuthenticator",
                        "api_token": "{{ config['auth_token'] }}",
                    },
                },
                "record_selector": {
                    "type": "RecordSelector",
                    "extractor": {
                        "type": "DpathExtractor",
                        "field_path": ["result", "data", "reservations"],
                    },
                },
                "paginator": {
                    "type": "DefaultPaginator",
                    "pagination_strategy": {"type": "OffsetIncrement", "page_size": 100},
                    "page_token_option": {
                        "type": "RequestOption",
                        "inject_into": "request_parameter",
                        "field_name": "offset",
                    },
                    "page_size_option": {
                        "type": "RequestOption",
                        "inject_into": "request_parameter",
                        "field_name": "limit",
                    },
                },
            },
        }
    ],
    "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}},
}
CATALOG = {
    "streams": [
        {
            "stream": {
                "name": "reservations",
                "json_schema": {},
                "supported_sync_modes": ["full_refresh"],
            },
            "sync_mode": "full_refresh",
            "destination_sync_mode": "append",
        }
    ]
}


def main(config_path: str) -> None:
    """Read all reservations and print Airbyte's messages."""
    with open(config_path) as file:  # noqa: PTH123
        config = json.load(file)
    catalog_path = config_path + ".catalog"
    with open(catalog_path, "w") as file:  # noqa: PTH123
        json.dump(CATALOG, file)
    source = ConcurrentDeclarativeSource(
        catalog=None, config=config, state=None, source_config=MANIFEST
    )
    launch(source, ["read", "--config", config_path, "--catalog", catalog_path])


if __name__ == "__main__":
    main(sys.argv[-1])
