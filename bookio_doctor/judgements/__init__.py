"""Pure: observations -> which assumptions hold. One function per topic, in report order.

A verdict is never better than its evidence: if a clinic has no rows, or its rows show nothing, it
is NOT_SHOWN. A difference that tap and target handle by themselves is still DIFFERS, and says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from bookio_api.contract import Evidence
from bookio_doctor.finding import Finding, Verdict
from bookio_doctor.judgements.connection import judge_clock, judge_transport
from bookio_doctor.judgements.errors import judge_errors
from bookio_doctor.judgements.fields import judge_fields
from bookio_doctor.judgements.last_sync import judge_last_sync
from bookio_doctor.judgements.lists import judge_envelope, judge_lists, judge_survey
from bookio_doctor.judgements.paging import judge_order, judge_paging
from bookio_doctor.judgements.ranges import judge_ranges
from bookio_doctor.judgements.times import judge_times
from bookio_singer.redaction import place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bookio_doctor.observations import Survey

Judgement: TypeAlias = "Callable[[Survey], Iterator[Finding]]"

JUDGEMENTS: tuple[Judgement, ...] = (
    judge_lists,
    judge_envelope,
    judge_errors,
    judge_paging,
    judge_order,
    judge_ranges,
    judge_last_sync,
    judge_clock,
    judge_times,
    judge_fields,
    judge_transport,
    judge_survey,
)


def judge(survey: Survey, judgements: Sequence[Judgement] = JUDGEMENTS) -> list[Finding]:
    """Return a finding for each assumption, in the order of the report."""
    return [finding for judgement in judgements for finding in _guarded(judgement, survey)]


def _guarded(judgement: Judgement, survey: Survey) -> Iterator[Finding]:
    """Yield what one judgement finds; an unexpected row must not end the others."""
    try:
        yield from judgement(survey)
    except Exception as error:  # noqa: BLE001 - any, or the rest of the report is lost
        topic = judgement.__name__.removeprefix("judge_").replace("_", " ")
        seen = f"unexpected {place_of(error)}"
        meaning = "please send the report to the maintainers"
        yield Finding(topic, "it can be judged", Evidence.UNKNOWN, Verdict.NOT_SHOWN, seen, meaning)
