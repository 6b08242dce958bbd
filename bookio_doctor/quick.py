"""The quick part of the doctor, which ``tap-bookio --test`` and ``target-bookio --test`` use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.contract import RESOURCES
from bookio_api.errors import ErrorKind
from bookio_doctor.finding import Verdict
from bookio_doctor.judgements.lists import judge_list
from bookio_doctor.probe import Probe
from bookio_doctor.survey import survey_lists

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bookio_doctor.observations import Survey


class ListCheck(NamedTuple):
    """Whether one list can be read with these settings."""

    resource: str
    works: bool
    line: str
    """What to show: what was seen and, if it does not work, what to do."""


def check_lists(settings: Mapping[str, Any]) -> list[ListCheck]:
    """Ask which lists respond, with a few requests each. Raises ``SettingsError``."""
    probe = Probe(settings)
    try:
        return list(_checks(survey_lists(probe, settings)))
    finally:
        probe.close()


def _checks(survey: Survey) -> Iterator[ListCheck]:
    for resource in RESOURCES.values():
        seen = survey.lists[resource.list_operation]
        finding = judge_list(seen, survey)
        if finding.verdict is Verdict.HOLDS:
            yield ListCheck(resource.name, works=True, line=f"{resource.name}: works")
            continue
        parts = [finding.seen, finding.meaning]
        kind = seen.answer.error.kind if seen.answer.error else ErrorKind.PATH
        if finding.overrides:
            parts = [finding.seen, f"set endpoint_overrides to {json.dumps(finding.overrides)}"]
        line = f"{resource.name}: {'; '.join(filter(None, parts))}"
        # Without the list of facilities, tap and target continue with default_timezone.
        works = finding.verdict is Verdict.DIFFERS and not finding.overrides
        yield ListCheck(resource.name, works, line if works else kind.with_page(line))
