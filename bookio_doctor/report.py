"""Shows findings: a table for people, JSON for programs, and the settings that follow."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from bookio_doctor.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from bookio_doctor.finding import Finding

DONE, CANNOT_WORK, DIFFERENT = 0, 1, 2
"""Exit codes: all holds or was not shown; Bookio cannot be used like this; some differ."""

_STYLES = {
    Verdict.HOLDS: "green",
    Verdict.NOT_SHOWN: "dim",
    Verdict.DIFFERS: "yellow",
    Verdict.BLOCKS: "red",
}


def exit_code(findings: Sequence[Finding]) -> int:
    """Return the doctor's exit code."""
    verdicts = {finding.verdict for finding in findings}
    if Verdict.BLOCKS in verdicts or not verdicts:
        return CANNOT_WORK
    return DIFFERENT if Verdict.DIFFERS in verdicts else DONE


def as_document(findings: Sequence[Finding], questions: int, ended: str) -> dict[str, Any]:
    """Return the report as JSON. It contains no values from rows."""
    return {
        "questions": questions,
        "ended_early": ended,
        "exit_code": exit_code(findings),
        "config": config_for(findings),
        "findings": [finding.as_json() for finding in findings],
    }


def config_for(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the settings that fit what was seen."""
    overrides = {k: v for finding in findings for k, v in finding.overrides.items()}
    settings = {k: v for finding in findings for k, v in finding.settings.items()}
    return {**({"endpoint_overrides": overrides} if overrides else {}), **settings}


def show(findings: Sequence[Finding], questions: int, ended: str, console: Console) -> None:
    """Print the table, the settings to copy, and one closing line."""
    table = Table(title="Which of our assumptions hold for this Bookio", expand=True)
    for column in ("assumption", "known", "seen", "what it means"):
        table.add_column(column, overflow="fold", no_wrap=column == "known")
    for finding in findings:
        style = _STYLES[finding.verdict]
        # Texts, not strings: what came from the server may look like rich's markup.
        table.add_row(
            Text.assemble((finding.topic, "bold"), f"\n{finding.assumption}"),
            Text(finding.evidence.value),
            Text.assemble((finding.verdict.value, style), f": {finding.seen}"),
            Text(finding.meaning),
        )
    console.print(table)
    # As they are, and never wrapped, so that they can be copied.
    put = partial(console.print, sep="\n", markup=False, emoji=False, soft_wrap=True)
    if config := config_for(findings):
        put("\nFor a config file:", json.dumps(config, indent=2))
        put("\nFor meltano.yml:", _as_yaml(config))
    for finding in findings:
        if finding.patch:
            patch = json.dumps([dict(change) for change in finding.patch], indent=2)
            put(f"\nJSON Patch for the schema of {finding.stream}:", patch)
    if ended:
        put(f"\nThe survey ended early: {ended}")
    counts = ", ".join(
        f"{sum(finding.verdict == verdict for finding in findings)} {verdict.value}"
        for verdict in Verdict
    )
    put(f"\n{questions} requests sent: {counts}")


def _as_yaml(config: dict[str, Any]) -> str:
    """Return settings as the ``config`` of a Meltano plugin; JSON is YAML, line by line."""
    lines = ["config:"]
    for name, value in config.items():
        if isinstance(value, dict):
            lines.append(f"  {name}:")
            lines += [f"    {key}: {json.dumps(item)}" for key, item in value.items()]
        else:
            lines.append(f"  {name}: {json.dumps(value)}")
    return "\n".join(lines)
