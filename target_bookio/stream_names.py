"""Maps streams to Bookio's resources: ``public-reservations`` has reservations, too."""

from __future__ import annotations

import logging
import re
from functools import cache

from bookio_api.contract import RESOURCES
from bookio_api.errors import SettingsError
from target_bookio.field_names import shown_name

WRITABLE = tuple(name for name, resource in RESOURCES.items() if resource.operations)

logger = logging.getLogger(__name__)


@cache
def resource_of(stream: str) -> str:
    """Return the resource of a stream; database taps name streams ``schema-table``.

    Raises:
        SettingsError: the stream cannot be written to Bookio.
    """
    if stream in WRITABLE:
        return stream
    shown = shown_name(stream)
    table = re.split(r"[-.]", stream)[-1].casefold()
    if table in WRITABLE:
        logger.info(
            "the stream %s is written as %s; set an alias in stream_maps to change that",
            shown,
            table,
        )
        return table
    msg = (
        f"the stream {shown} cannot be written to Bookio, only {', '.join(WRITABLE)}; deselect it, "
        'or say which of them it is with "__alias__" in stream_maps'
    )
    raise SettingsError(msg)
