"""dlt's rest_api source: extracted only, or written to files."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import dlt
from dlt.sources.rest_api import rest_api_source


def main(mode: str, config_path: str) -> None:
    """Read all reservations; print how many came."""
    config = json.loads(Path(config_path).read_text())
    source = rest_api_source(
        {
            "client": {
                "base_url": config["api_url"] + "/",
                "auth": {"type": "bearer", "token": config["auth_token"]},
                "paginator": {
                    "type": "offset",
                    "limit": 100,
                    "total_path": "result.data.pagination.total",
                },
            },
            "resources": [
                {
                    "name": "reservations",
                    "endpoint": {
                        "path": "reservations",
                        "params": {"lang": "en", "facilityId": 1},
                        "data_selector": "result.data.reservations",
                    },
                }
            ],
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "bench",
            pipelines_dir=folder,
            destination=dlt.destinations.filesystem(f"file://{folder}/out"),
            dataset_name="bench",
        )
        if mode == "extract":
            pipeline.extract(source)
        else:
            pipeline.run(source)
        trace = pipeline.last_trace.last_extract_info
        metrics = next(iter(trace.metrics.values()))[0]
        print(metrics["resource_metrics"]["reservations"].items_count)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
