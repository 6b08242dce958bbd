"""``bookio-shards``: the command line."""

from __future__ import annotations

import json
import logging

import click

from bookio_api.errors import SettingsError
from bookio_api.facilities import Facilities
from bookio_shards.assignment import all_shards, assign
from bookio_singer.command import OneLineGroup
from bookio_singer.config import settings_of
from bookio_singer.redaction import conceal
from bookio_singer.settings import client_from
from tap_bookio.settings import SETTINGS

VARIABLE_PREFIX = "TAP_BOOKIO_"
"""The settings are the tap's: it reads the facilities that are listed here."""

logger = logging.getLogger("bookio-shards")


@click.group(
    "bookio-shards",
    cls=OneLineGroup,
    help="Cut the facilities of a token into shards, for one process and one state each.",
)
def shards() -> None:
    """Log as the plugins do."""
    logging.basicConfig(format="%(asctime)s | %(levelname)-8s | %(name)s | %(message)s")


@shards.command(
    "list",
    help="Print a line of JSON for each shard that has facilities: its name and their numbers, "
    "which are the setting facility_ids of the process that reads it.",
)
@click.option("--of", "count", type=int, required=True, help="How many shards there are, 1 to 64.")
@click.option(
    "--config",
    multiple=True,
    required=True,
    help="Settings of tap-bookio, a file; or ENV for TAP_BOOKIO_… variables.",
)
def list_shards(count: int, config: tuple[str, ...]) -> None:
    """Ask for the facilities and cut them."""
    all_shards(count)  # which refuses an impossible number before anything is asked
    for shard, ids in assign(_facility_ids(config), count).items():
        if ids:
            click.echo(json.dumps({"shard": shard.name, "facility_ids": ids}))


def _facility_ids(config: tuple[str, ...]) -> list[int]:
    """Return the facilities that a run of tap-bookio with these settings reads."""
    settings = settings_of(config, SETTINGS, VARIABLE_PREFIX)
    conceal(str(settings.get("auth_token") or "").strip())
    client = client_from(settings)
    try:
        found = [facility.id for facility in Facilities(client, settings).in_scope]
    finally:
        client.close()
    ids = [key for key in found if key is not None]
    if len(ids) < len(found):
        msg = (
            "the token may not list facilities, so they cannot be cut into shards; set "
            "facility_ids to those that it may read"
        )
        raise SettingsError(msg)
    if not ids:
        logger.warning("The token sees no facility, so every shard is empty")
    return ids


shards.logger = logger
