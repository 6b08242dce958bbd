"""``bookio-shards``: the command line."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import click

from bookio_api.errors import SettingsError
from bookio_api.facilities import Facilities
from bookio_shards.assignment import all_shards, assign
from bookio_shards.layout import Layout
from bookio_shards.meltano_states import MeltanoStates
from bookio_shards.move import apply_plan, make_plan
from bookio_singer.command import OneLineGroup
from bookio_singer.config import settings_of
from bookio_singer.consent import require_yes
from bookio_singer.redaction import conceal
from bookio_singer.settings import client_from, facilities_problem
from tap_bookio.settings import SETTINGS

VARIABLE_PREFIX = "TAP_BOOKIO_"
"""The settings are the tap's, which will read the facilities that are listed here."""

logger = logging.getLogger("bookio-shards")


@click.group(
    "bookio-shards",
    cls=OneLineGroup,
    help="Split a token's facilities into shards, each with its own process and state.",
)
def shards() -> None:
    """Log as the plugins do."""
    logging.basicConfig(format="%(asctime)s | %(levelname)-8s | %(name)s | %(message)s")


@shards.command(
    "list",
    help="Print a line of JSON for each shard that has facilities: its name and their ids, which "
    "are the setting facility_ids of the process that reads the shard.",
)
@click.option("--of", "count", type=int, required=True, help="Number of shards, 1 to 64.")
@click.option(
    "--config",
    multiple=True,
    required=True,
    help="File with the settings of tap-bookio, or ENV for TAP_BOOKIO_… variables.",
)
def list_shards(count: int, config: tuple[str, ...]) -> None:
    """Ask for the facilities and split them."""
    all_shards(count)  # refuses an impossible number before the first request
    for shard, ids in assign(_facility_ids(config), count).items():
        if ids:
            click.echo(json.dumps({"shard": shard.name, "facility_ids": ids}))


@shards.command(
    "move",
    help="Move bookmarks to another number of shards, so that nothing is read in full again. It "
    "shows its plan and asks before it writes. No run of the tap may be active.",
)
@click.option("--from", "old_count", type=int, help="Current number of shards, 1 to 64.")
@click.option("--to", "new_count", type=int, help="New number of shards, 1 to 64.")
@click.option("--from-state-id", help="Id of the state of a run without shards, instead of --from.")
@click.option("--to-state-id", help="Id of one state for all facilities, instead of --to.")
@click.option(
    "--prefix", default="", help="Prefix of the state ids, such as prod- in prod-shard-00of16."
)
@click.option(
    "--project",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Folder of meltano.yml; by default the current one.",
)
@click.option("--meltano", default="meltano", help="Meltano's program, if it is not on the PATH.")
@click.option("--environment", help="Meltano environment, if each has its own states.")
@click.option(
    "--overwrite", is_flag=True, help="Replace states of new shards that hold other bookmarks."
)
@click.option(
    "--delete-old",
    is_flag=True,
    help="Delete the old states, after the new ones have been read back.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask, for use without a terminal.")
def move(
    *,
    old_count: int | None,
    new_count: int | None,
    from_state_id: str | None,
    to_state_id: str | None,
    prefix: str,
    project: Path,
    meltano: str,
    environment: str | None,
    overwrite: bool,
    delete_old: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Plan, show, ask, apply."""
    old = _layout("--from", old_count, from_state_id, prefix)
    new = _layout("--to", new_count, to_state_id, prefix)
    store = MeltanoStates(meltano, project, environment)
    states = store.read((*old.state_ids, *new.state_ids))
    plan = make_plan(states, old, new, overwrite=overwrite, deletes_old=delete_old)
    for line in plan.lines():
        click.echo(line)
    if dry_run or plan.changes_nothing:
        return
    if not yes:
        require_yes("Type yes to apply", what_needs_it="move", refused="nothing was written")
    apply_plan(plan, store)
    click.echo("Done: each bookmark was read back.")


def _layout(option: str, count: int | None, state_id: str | None, prefix: str) -> Layout:
    if (count is None) == (state_id is None):
        msg = f"give either {option} or {option}-state-id"
        raise SettingsError(msg)
    return Layout((state_id,)) if state_id is not None else Layout.of_shards(count or 0, prefix)


def _facility_ids(config: tuple[str, ...]) -> list[int]:
    """Return the facilities that a run of tap-bookio with these settings reads."""
    settings = settings_of(config, SETTINGS, VARIABLE_PREFIX)
    conceal(str(settings.get("auth_token") or "").strip())
    if problem := facilities_problem(settings):
        raise SettingsError(problem)
    client = client_from(settings)
    try:
        found = [facility.id for facility in Facilities(client, settings).in_scope]
    finally:
        client.close()
    ids = [key for key in found if key is not None]
    if len(ids) < len(found):
        msg = (
            "the token may not list facilities, so they cannot be split into shards; set "
            "facility_ids to those that it may read"
        )
        raise SettingsError(msg)
    if not ids:
        logger.warning("The token has access to no facility, so every shard is empty")
    return ids


shards.logger = logger
