"""``bookio-doctor``: the command line."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from bookio_doctor.judgements import judge
from bookio_doctor.probe import Probe
from bookio_doctor.report import as_document, exit_code, show
from bookio_doctor.survey import Survey
from bookio_doctor.write_paths import WriteProbe, send_write_probes, write_probes
from bookio_singer.command import OneLineCommand
from bookio_singer.config import settings_of
from bookio_singer.consent import require_yes
from bookio_singer.redaction import conceal
from bookio_singer.settings import CONNECTION_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE_PREFIX = "TAP_BOOKIO_"
"""The doctor uses the tap's variables, because both talk to the same Bookio."""

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
    settings = settings_of(config, CONNECTION_SETTINGS, VARIABLE_PREFIX, checks_names=False)
    conceal(str(settings.get("auth_token") or "").strip())
    document, code = examine(settings, form, writes=probe_writes, agreed=yes)
    if output is not None:
        output.write_text(json.dumps(document, indent=2) + "\n")
    return code


def examine(
    settings: Mapping[str, object], form: str, *, writes: bool, agreed: bool
) -> tuple[dict[str, object], int]:
    """Run the examination and print it; return the report and the exit code."""
    overrides: Mapping[str, str] = settings.get("endpoint_overrides") or {}  # type: ignore[assignment]
    probe = Probe(settings)
    try:
        requests = write_probes(overrides) if writes else []
        if requests and not agreed:
            _ask_for_consent(requests)
        survey = Survey(probe, overrides)
        survey.take()
        findings = [*judge(survey), *send_write_probes(probe, requests)]
    finally:
        probe.close()
    document = as_document(findings, probe.questions, survey.unanswered)
    if form == "json":
        click.echo(json.dumps(document, indent=2))
    else:
        show(findings, probe.questions, survey.unanswered, Console())
    return document, exit_code(findings)


def _ask_for_consent(requests: list[WriteProbe]) -> None:
    """Show what will be sent, and continue only if the user types yes."""
    click.echo("These requests will be sent; none of them can change anything:", err=True)
    for request in requests:
        click.echo(f"  {request}", err=True)
    require_yes("Type yes to send them", what_needs_it="--probe-writes", refused="nothing was sent")


doctor.logger = logger
