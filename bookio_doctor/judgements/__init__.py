"""Pure: observations -> which assumptions hold. One function per topic, in report order.

A verdict is never better than its evidence: if a clinic has no rows, or its rows show nothing, it
is NOT_SHOWN. A difference that tap and target handle by themselves is still DIFFERS, and says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bookio_doctor.judgements.connection import judge_clock, judge_transport
from bookio_doctor.judgements.errors import judge_errors
from bookio_doctor.judgements.last_sync import judge_last_sync
from bookio_doctor.judgements.lists import judge_envelope, judge_lists
from bookio_doctor.judgements.paging import judge_order, judge_paging, judge_ranges
from bookio_doctor.judgements.rows import judge_fields, judge_times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bookio_doctor.finding import Finding
    from bookio_doctor.survey import Survey

JUDGEMENTS: tuple[Callable[[Survey], Iterator[Finding]], ...] = (
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
)


def judge(survey: Survey) -> list[Finding]:
    """Return a finding for each assumption, in the order of the report."""
    return [finding for judgement in JUDGEMENTS for finding in judgement(survey)]
