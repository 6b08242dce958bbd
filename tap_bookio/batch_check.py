"""Checks ``batch_config``, whose mistakes singer-sdk notices only in mid-run, or never."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import fsspec  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_KNOWN = {"encoding", "storage", "batch_size"}


def batch_problems(batch: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield what is wrong with the setting; nothing if it is not set."""
    if not batch:
        return
    encoding, storage = batch.get("encoding") or {}, batch.get("storage") or {}
    if unknown := batch.keys() - _KNOWN:
        yield f"batch_config has no {', '.join(sorted(unknown))}; remove it"
    match encoding.get("format"):
        case "jsonl":
            # The SDK compresses the files whatever the setting, which the BATCH message repeats.
            if encoding.get("compression") != "gzip":
                yield "batch_config: the files are compressed; set encoding.compression to gzip"
        case "parquet":
            if find_spec("pyarrow") is None:
                yield "batch_config: parquet needs pyarrow; install it, or set format to jsonl"
        case _:
            yield "batch_config needs encoding.format: set it to jsonl"
    size = batch.get("batch_size", 1)
    # With 0 the SDK would write nothing, and the bookmarks would move.
    if size is not None and (type(size) is not int or size < 1):
        yield "batch_config: batch_size is not a number of records; set it to 1 or more"
    root = storage.get("root")
    if not isinstance(root, str) or not root:
        yield "batch_config needs storage.root: set it to a folder, such as file:///tmp/batches"
    else:
        yield from _storage_problem(root.partition("://")[0] if "://" in root else "file")


def _storage_problem(protocol: str) -> Iterator[str]:
    try:
        fsspec.get_filesystem_class(protocol)
    except ValueError:
        yield f"batch_config: storage.root has an unknown protocol, {protocol}"
    except ImportError as error:
        yield f"batch_config: {error}"
