"""Judges how lists are paged and ordered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bookio_api.contract import MAX_PAGE_SIZE, Evidence
from bookio_api.responses import whole_number
from bookio_doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_doctor.answers import Answer, Row
    from bookio_doctor.observations import Survey

C, S, G, U = Evidence
HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict

_Seen = tuple[Verdict, str, str]
"""Verdict, observation and meaning."""

_LIMIT = 10
"""The ``limit`` of the questions with a small one."""
_ENOUGH_ROWS = 9
"""As few rows agree in order by chance once in 360,000 times, as in the scan (PROOF 6)."""
_NEVER_ASKED = "the connectors never ask for it, so you need not set anything"
_TELL_US = "please tell the maintainers"


def judge_paging(survey: Survey) -> Iterator[Finding]:
    """Judge ``total``, ``offset``, ``limit``, the page cap, and pages without rows."""
    if not survey.reservations.works:
        return
    paging = survey.paging
    cap, page_size = _cap(survey)
    settings = {"page_size": page_size} if page_size else {}
    yield Finding("total", "lists send pagination.total", S, *_total(survey))
    yield Finding("offset", "offset skips rows", C, *_offset(survey))
    yield Finding("limit", "limit is obeyed", C, *_limit(survey))
    topic = f"a page holds up to {MAX_PAGE_SIZE} rows"
    yield Finding("page cap", topic, C, *cap, settings=settings)
    yield from _without_rows(
        "limit=0", paging.limit_zero, if_refused=_NEVER_ASKED, if_rows=_NEVER_ASKED
    )
    yield from _without_rows(
        "beyond the end",
        paging.beyond_end,
        if_refused="the scan takes it as the end of the list, so you need not set anything",
        if_rows="the scan recognises a page that is sent again",
    )


def judge_order(survey: Survey) -> Iterator[Finding]:
    """Judge the order of a list, and whether two readings agree."""
    topic, assumption = "order", "the order of a list is stable"
    rows, again = survey.reservations.rows, survey.paging.again
    if again is None or again.rows is None:
        yield Finding(topic, assumption, U, NOT_SHOWN, again.said if again else "no list")
        return
    ids, second = _ids(rows), _ids(again.rows)
    both = set(ids) & set(second)
    agree = [i for i in ids if i in both] == [i for i in second if i in both]
    if not agree or (ids and len(both) * 2 <= len(ids)):
        meaning = "lists are read by date, which takes more requests"
        yield Finding(topic, assumption, U, DIFFERS, "it changed", meaning)
    elif len(both) < _ENOUGH_ROWS:
        yield Finding(topic, assumption, U, NOT_SHOWN, "too few rows")
    else:
        yield Finding(topic, assumption, U, HOLDS, f"two readings agree: by {_order_of(rows)}")


def _total(survey: Survey) -> _Seen:
    """Compare the total with the rows, as far as the end of the list was seen."""
    sent, rows = survey.reservations.total, len(survey.reservations.rows)
    total, follow = whole_number(sent), _follow(survey)
    if total is None:
        seen = "there is none" if sent is None else f"it is not a number, but a {_kind(sent)}"
        return DIFFERS, seen, "the scan looks behind the end instead: two requests per facility"
    if total < rows or (total == rows and follow):
        return DIFFERS, "it is smaller than the number of rows", "the tap does not rely on it"
    # Everything was on the first page, if it was not full and nothing follows it.
    is_all = 0 < rows < survey.page_size and follow is False
    if is_all and total > rows:
        meaning = f"the tap would report each run as incomplete: {_TELL_US}"
        return BLOCKS, "it is larger than the number of rows that can be read", meaning
    if type(sent) is not int:
        return DIFFERS, f"as a {_kind(sent)}", "it is converted, so you need not set anything"
    return HOLDS, "as a whole number", ""


def _offset(survey: Survey) -> _Seen:
    """Compare a page from the middle of the first one with the beginning of the list."""
    paging, rows = survey.paging, _ids(survey.reservations.rows)
    if paging.second_half is None or len(rows) < _ENOUGH_ROWS:
        return NOT_SHOWN, "too few rows", ""
    if paging.second_half.rows is None:
        return NOT_SHOWN, paging.second_half.said, ""
    came = _ids(paging.second_half.rows)
    if came and came == rows[: len(came)]:
        meaning = f"tap and target cannot read beyond the first page: {_TELL_US}"
        return BLOCKS, f"offset={paging.middle} returned the first rows again", meaning
    if rows[paging.middle] in came and rows[0] not in came:
        return HOLDS, "it does", ""
    return NOT_SHOWN, "the list changed, or has no stable order", "run the doctor again"


def _limit(survey: Survey) -> _Seen:
    small, rows = survey.paging.limit_ten, len(survey.reservations.rows)
    if small is None or small.rows is None:
        return NOT_SHOWN, small.said if small else "not asked", ""
    count = len(small.rows)
    if count > _LIMIT:
        meaning = "the tap reads what comes; long lists need much memory"
        return DIFFERS, f"limit={_LIMIT} returned {count} rows", meaning
    if rows <= _LIMIT:
        return NOT_SHOWN, "too few rows", ""
    if count < _LIMIT:
        return DIFFERS, f"limit={_LIMIT} returned {count} rows", "the scan adapts to short pages"
    return HOLDS, f"limit={_LIMIT} returned {_LIMIT} rows", ""


def _cap(survey: Survey) -> tuple[_Seen, int]:
    """Return what was seen of the page cap, and the ``page_size`` that fits if another does.

    A short page shows a cap only if rows follow it: a total may count rows of other lists.
    """
    largest = survey.paging.largest or survey.reservations.answer
    if largest.rows is None:
        return (NOT_SHOWN, largest.said, ""), 0
    count, follow = len(largest.rows), _follow(survey)
    if count > MAX_PAGE_SIZE:
        return (NOT_SHOWN, "limit is ignored", ""), 0
    if count == MAX_PAGE_SIZE:
        return (HOLDS, f"{count}", ""), 0
    if not follow:
        is_all = not count or follow is False
        seen = "too few rows" if is_all else "what follows the first page was not seen"
        return (NOT_SHOWN, seen, ""), 0
    seen = f"{count} rows, although others follow"
    if survey.page_size <= count:
        return (DIFFERS, seen, "page_size is small enough"), 0
    return (DIFFERS, seen, "the scan adapts, and with this page_size it need not"), count


def _follow(survey: Survey) -> bool | None:
    """Return whether rows follow the largest page that was seen; ``None`` if that is unknown."""
    largest = survey.paging.largest or survey.reservations.answer
    following = survey.paging.following
    if largest.rows is None or following is None or following.rows is None:
        # A refusal beyond the end is an end.
        return False if following is not None and following.is_refused else None
    return not set(_ids(following.rows)) <= set(_ids(largest.rows))


def _without_rows(
    name: str, answer: Answer | None, *, if_refused: str, if_rows: str
) -> Iterator[Finding]:
    """Judge a page that should have no rows, with the meaning of two other answers."""
    if answer is None:
        return
    assumption = f"{name} returns no rows"
    if answer.is_unanswered:
        yield Finding(name, assumption, G, NOT_SHOWN, answer.said)
    elif answer.rows is None:
        yield Finding(name, assumption, G, DIFFERS, f"refused: {answer.said}", if_refused)
    elif not answer.rows:
        yield Finding(name, assumption, G, HOLDS, "no rows")
    else:
        yield Finding(name, assumption, G, DIFFERS, f"{len(answer.rows)} rows", if_rows)


def _order_of(rows: list[Row]) -> str:
    """Return the field and direction by which the rows are sorted, if any fits."""
    for name in ("id", "modified", "created", "dateFrom", "dateTo"):
        values = [row.get(name) for row in rows]
        if set(map(type, values)) not in ({int}, {str}):
            continue
        ordered = sorted(values)  # type: ignore[type-var]
        if values == ordered:
            return f"{name}, ascending"
        if values == ordered[::-1]:
            return f"{name}, descending"
    return "none of the fields tried"


def _ids(rows: list[Row]) -> list[int]:
    return [row["id"] for row in rows]


def _kind(value: object) -> str:
    return {str: "text", float: "decimal number", bool: "boolean"}.get(type(value), "other value")
