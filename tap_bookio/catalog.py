"""A catalog as the command line is given it: what is none is told in one line."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

from jsonschema import Draft7Validator, SchemaError
from singer_sdk.singerlib import Catalog

from bookio_api.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection

ADVICE = "make one with `tap-bookio --discover`"


def read_catalog(file: IO[str], streams: Collection[str]) -> dict[str, Any]:
    """Return the catalog in a file of JSON; it selects from these streams.

    Raises:
        SettingsError: it is no catalog, or names none of the streams.
    """
    document: dict[str, Any] = json.load(file)
    try:
        entries = Catalog.from_dict(document).streams
        for entry in entries:
            Draft7Validator.check_schema(entry.schema.to_dict())
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError, SchemaError) as error:
        msg = f"--catalog holds JSON, but no catalog; {ADVICE}"
        raise SettingsError(msg) from error
    if not any(entry.tap_stream_id in streams for entry in entries):
        names = ", ".join(streams)
        msg = f"--catalog names none of {names}, so nothing would be read; {ADVICE}"
        raise SettingsError(msg)
    return document
