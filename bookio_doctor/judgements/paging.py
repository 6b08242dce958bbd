"""Judges how lists are paged, ordered and narrowed by date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bookio_api.contract import MAX_PAGE_SIZE, Evidence
from bookio_doctor.finding import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_doctor.answers import Row
    from bookio_doctor.observations import Survey

C, S, G, U = Evidence
HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict


def judge_paging(survey: Survey) -> Iterator[Finding]:
    """Judge ``total``, the page cap, ``limit=0`` and an offset beyond the end."""
    seen = survey.reservations
    if not seen.works:
        return
    kind = type(seen.total).__name__
    if seen.total is None:
        meaning = "the scan looks behind the end instead: two more requests per facility"
        yield Finding("total", "lists send pagination.total", S, DIFFERS, "there is none", meaning)
    else:
        meaning = "" if kind == "int" else "it is converted to a number"
        verdict = HOLDS if kind == "int" else DIFFERS
        yield Finding("total", "lists send pagination.total", S, verdict, f"as {kind}", meaning)
    count, total = len(seen.rows), _number(seen.total)
    if total is not None and total > count and 0 < count < MAX_PAGE_SIZE:
        yield Finding(
            "page cap",
            f"a page holds up to {MAX_PAGE_SIZE} rows",
            C,
            DIFFERS,
            f"{count} rows of a larger total",
            "the scan adapts; set page_size to this number",
            settings={"page_size": count},
        )
    elif count == MAX_PAGE_SIZE:
        yield Finding("page cap", f"a page holds up to {MAX_PAGE_SIZE} rows", C, HOLDS, f"{count}")
    for name, answer, expected in (
        ("limit=0", survey.paging.limit_zero, "no rows"),
        ("beyond the end", survey.paging.beyond_end, "no rows"),
    ):
        if answer is not None:
            rows = answer.rows
            shown = "refused" if rows is None else "no rows" if not rows else f"{len(rows)} rows"
            verdict = HOLDS if shown == expected else DIFFERS
            yield Finding(name, f"{name} returns no rows", G, verdict, shown)


def judge_order(survey: Survey) -> Iterator[Finding]:
    """Judge the order of a list, and whether two readings agree."""
    rows, second = survey.reservations.rows, survey.paging.again
    again = second.rows if second else None
    if again is None or len(rows) < 2:  # noqa: PLR2004
        yield Finding("order", "the order of a list is stable", U, NOT_SHOWN, "too few rows")
        return
    ids = [row.get("id") for row in rows]
    common = set(map(str, ids)) & {str(row.get("id")) for row in again}
    stable = [str(i) for i in ids if str(i) in common] == [
        str(row.get("id")) for row in again if str(row.get("id")) in common
    ] and len(common) * 2 > len(ids)
    if not stable:
        meaning = "lists are read by date, which takes more requests"
        yield Finding("order", "the order of a list is stable", U, DIFFERS, "it changed", meaning)
        return
    yield Finding("order", "the order of a list is stable", U, HOLDS, f"by {_order_of(rows)}")


def judge_ranges(survey: Survey) -> Iterator[Finding]:
    """Judge whether the ``from`` and ``to`` days are included."""
    assumption = "the from and to days are included"
    first, second = survey.ranges.on_day, survey.ranges.until_day
    if first is None or first.rows is None or second is None or second.rows is None:
        yield Finding("from, to", assumption, U, NOT_SHOWN, "no row with a date")
        return
    on_day = sum(str(row.get("dateFrom", "")).startswith(survey.ranges.day) for row in first.rows)
    until = sum(str(row.get("dateFrom", "")).startswith(survey.ranges.day) for row in second.rows)
    others = len(first.rows) - on_day
    if on_day and until and not others:
        yield Finding("from, to", assumption, U, HOLDS, "both days are included")
    elif others:
        meaning = "the filters also return other days"
        yield Finding("from, to", assumption, U, DIFFERS, "rows of other days", meaning)
    else:
        meaning = "set reservations_to and blocked_times_to one day later"
        yield Finding("from, to", assumption, U, DIFFERS, "the last day is left out", meaning)


def _order_of(rows: list[Row]) -> str:
    """Return the field and direction by which the rows are sorted, if any fits."""
    for name in ("id", "modified", "created", "dateFrom", "dateTo"):
        values = [row.get(name) for row in rows]
        if None in values or len({type(value) for value in values}) != 1:
            continue
        ordered = sorted(values)  # type: ignore[type-var]
        if values == ordered:
            return f"{name}, ascending"
        if values == ordered[::-1]:
            return f"{name}, descending"
    return "none of the fields tried"


def _number(value: object) -> int | None:
    try:
        return int(float(value)) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None
