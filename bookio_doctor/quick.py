"""The quick part of the doctor, which ``tap-bookio --test`` and ``target-bookio --test`` use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bookio_api.contract import FACILITIES, RESOURCES
from bookio_api.errors import ErrorKind
from bookio_api.overrides import with_overrides
from bookio_doctor.judgements.lists import judge_list
from bookio_doctor.probe import Probe
from bookio_doctor.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bookio_doctor.survey import ListSeen


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
            line = ErrorKind.PATH.with_page(line)
            yield ListCheck(resource.name, works=False, line=line)
        else:
            # Without the list of facilities, tap and target continue with default_timezone.
            works = resource.name == FACILITIES and seen.is_forbidden
            said = "; ".join(filter(None, (finding.seen, finding.meaning)))
            line = f"{resource.name}: {said}"
            if not works:
                line = _kind_of(seen).with_page(line)
            yield ListCheck(resource.name, works=works, line=line)


def _kind_of(seen: ListSeen) -> ErrorKind:
    """Return what is wrong with a list that no path of it responds for."""
    if seen.is_forbidden or seen.is_token_refused:
        return ErrorKind.ACCESS
    if seen.reply is None:
        return ErrorKind.CONNECTION
    return ErrorKind.PATH if seen.is_path_unknown else ErrorKind.RESPONSE
