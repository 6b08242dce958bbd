"""``bookio-doctor``: the command line."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from bookio_doctor.judgements import judge
from bookio_doctor.probe import Probe
from bookio_doctor.report import as_document, exit_code, show
from bookio_doctor.survey import survey
from bookio_doctor.write_paths import WriteProbe, send_write_probes, write_probes
from bookio_singer.command import OneLineCommand
from bookio_singer.config import settings_of
from bookio_singer.consent import require_yes
from bookio_singer.redaction import conceal
from bookio_singer.settings import CONNECTION_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookio_doctor.finding import Finding

VARIABLE_PREFIX = "TAP_BOOKIO_"
"""The doctor uses the tap's variables, because both talk to the same Bookio."""
SETTINGS = {**CONNECTION_SETTINGS, "page_size": {"type": "integer"}}
"""The settings of the tap that the doctor reads."""

logger = logging.getLogger("bookio-doctor")


@click.command(
    "bookio-doctor",
    cls=OneLineCommand,
    help=(
        "Check with a real token which assumptions about Bookio's API hold. Sends at most 60 "
        "requests, and only GET requests unless you add --probe-writes. Exit code 0: all hold; "
        "2: some differ; 1: the connectors cannot work."
    ),
)
@click.option(
    "--config",
    multiple=True,
    required=True,
    help="File with the settings of tap-bookio, or ENV to read TAP_BOOKIO_… variables.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the report as JSON, to send to the maintainers. It has no values from rows.",
)
@click.option(
    "--probe-writes",
    is_flag=True,
    help="Also check whether the paths for writing exist, with requests that cannot change "
    "anything. They are shown first.",
)
@click.option(
    "--yes", is_flag=True, help="Confirm --probe-writes in advance, for use without a terminal."
)
def doctor(
    config: tuple[str, ...], form: str, output: Path | None, *, probe_writes: bool, yes: bool
) -> int:
    """Send the requests, judge the responses, and print the report."""
    logging.basicConfig(format="%(asctime)s | %(levelname)-8s | %(name)s | %(message)s")
    settings = settings_of(config, SETTINGS, VARIABLE_PREFIX, checks_names=False)
    conceal(str(settings.get("auth_token") or "").strip())
    if output is not None:
        output.open("a").close()  # before any request, if it cannot be written
    findings, document = examine(settings, writes=probe_writes, agreed=yes)
    report = json.dumps(document, indent=2)
    if output is not None:
        output.write_text(f"{report}\n")
    if form == "json":
        click.echo(report)
    else:
        show(findings, document["questions"], document["ended_early"], Console())
    return exit_code(findings)


def examine(
    settings: Mapping[str, Any], *, writes: bool, agreed: bool
) -> tuple[list[Finding], dict[str, Any]]:
    """Run the examination; return the findings, and the report as JSON."""
    requests = write_probes(settings.get("endpoint_overrides") or {}) if writes else []
    probe = Probe(settings)
    try:
        if requests and not agreed:
            _ask_for_consent(requests)
        seen = survey(probe, settings)
        findings = [*judge(seen), *send_write_probes(probe, requests)]
    finally:
        probe.close()
    return findings, as_document(findings, probe.requests, seen.ended)


def _ask_for_consent(requests: list[WriteProbe]) -> None:
    """Show what will be sent, and continue only if the user types yes."""
    click.echo("These requests will be sent; none of them can change anything:", err=True)
    for request in requests:
        click.echo(f"  {request}", err=True)
    require_yes("Type yes to send them", what_needs_it="--probe-writes", refused="nothing was sent")


doctor.logger = logger
