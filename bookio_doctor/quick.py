"""The quick part of the doctor, which ``tap-bookio --test`` and ``target-bookio --test`` use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.contract import FACILITIES, RESOURCES
from bookio_api.overrides import with_overrides
from bookio_doctor.judgements.lists import judge_list
from bookio_doctor.probe import Probe
from bookio_doctor.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class ListCheck(NamedTuple):
    """Whether one list can be read with these settings."""

    resource: str
    works: bool
    line: str
    """What to show: what was seen and, if it does not work, what to do."""


def check_lists(settings: Mapping[str, Any]) -> list[ListCheck]:
    """Ask which lists respond, at most a few questions each. Raises ``SettingsError``."""
    probe = Probe(settings)
    try:
        survey = Survey(probe, settings.get("endpoint_overrides") or {})
        survey.take(quick=True)
    finally:
        probe.close()
    return list(_checks(survey, settings))


def _checks(survey: Survey, settings: Mapping[str, Any]) -> Iterator[ListCheck]:
    configured = with_overrides(settings.get("endpoint_overrides"))
    for resource in RESOURCES.values():
        seen = survey.lists[resource.list_operation]
        finding = judge_list(seen, survey)
        if seen.path == configured[resource.list_operation].path:
            yield ListCheck(resource.name, works=True, line=f"{resource.name}: works")
        elif seen.works:
            right = f'{{"{seen.operation}": "GET {seen.path}"}}'
            line = f"{resource.name}: {finding.seen}; set endpoint_overrides to {right}"
            yield ListCheck(resource.name, works=False, line=line)
        else:
            # Without the list of facilities tap and target read on, with default_timezone.
            works = resource.name == FACILITIES and seen.is_forbidden
            line = "; ".join(filter(None, (finding.seen, finding.meaning)))
            yield ListCheck(resource.name, works=works, line=f"{resource.name}: {line}")
