"""Whether the accepted pages reached the end of the list, and when a scan must give up."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from bookio_api.scan.pages import UnreliableError, total_text
from bookio_api.scan.state import NO_REPEATS, Repeats

if TYPE_CHECKING:
    from bookio_api.scan.pages import Page, Row
    from bookio_api.scan.state import State

QUIET_WEIGHT, SHORT_WEIGHT = 3, 1
"""Weights of a page with nothing new, and of a short page, as evidence of the end (PROOF 7)."""
SURE_END, SURER_END = 4, 10
"""The weight that is enough, and the one needed if the server contradicts itself."""
MAX_REPEATS = Repeats(pages=3, rows=30)
MAX_IDLE_REQUESTS = 40
SPARE_REQUESTS, MAX_REQUESTS = 100, 50_000


class End(Enum):
    """What the page accepted last says about the end of the list."""

    NOT_YET = auto()
    SEEMS = auto()
    """The list seems to end here: look behind the end (PROOF 8)."""
    COUNTED = auto()
    """A trusted total confirms it, and as many different rows came."""


def count_repeats(state: State, ids: list[int]) -> Repeats:
    """Count pages in a row that hold the rows which their offset should have skipped.

    Raises:
        UnreliableError: there are too many: the server ignores the offset.
    """
    skipped = {row["id"] for row in state.last[: max(0, state.asked - state.offset)]}
    held = sum(map(skipped.__contains__, ids))
    # Inserts push skipped rows onto the next page too, but rarely more than three quarters of them.
    if held * 4 <= len(skipped) * 3:
        return NO_REPEATS
    repeats = Repeats(state.repeats.pages + 1, state.repeats.rows + held)
    if repeats.pages >= MAX_REPEATS.pages and repeats.rows >= MAX_REPEATS.rows:
        msg = "the server ignores the offset: it keeps returning the same page"
        raise UnreliableError(msg)
    return repeats


def ends_as_before(state: State, rows: list[Row]) -> bool:
    """Whether the page that was asked for ends where the page accepted before it ended."""
    if rows and state.last:
        return bool(rows[-1]["id"] == state.last[-1]["id"])
    return not rows and state.accepted > 0 and state.asked == state.end


def weigh(state: State, news: int, *, is_short: bool, is_quiet: bool) -> int:
    """Return the evidence that the list ends, after a page with so many new rows (PROOF 7).

    ``state`` already holds the page; ``is_quiet`` tells that it brought nothing new and ended in
    the same row as the page before it.
    """
    # 1. The list goes on, or is read from its start: only this page can speak for the end.
    if news > state.overlap or (state.offset == 0 and not is_quiet) or not is_short:
        return SHORT_WEIGHT if is_short else 0
    # 2. A short page that adds nothing: the strongest sign.
    if is_quiet:
        return state.evidence + QUIET_WEIGHT
    # 3. A short page with a few new rows: rows are being appended, or the page was cut.
    if news:
        return state.evidence + SHORT_WEIGHT
    # 4. A short page of known rows that ends elsewhere, as after a step back: no evidence.
    return state.evidence


def judge(state: State, *, is_short: bool, is_quiet: bool) -> End:
    """Return whether the list ends with the page accepted last.

    Raises:
        UnreliableError: by the total, which did not change, rows were left out.
    """
    total = state.total
    # 1. The total agrees, and the page too: it was short, brought nothing, or was everything.
    if total == state.end and (is_short or is_quiet or _is_everything(state, total)):
        _check_count(state, total)
        return End.COUNTED if _is_counted(state, total) else End.SEEMS
    # 2. The server contradicts itself: its total is larger, or pages inside the list were
    #    of different lengths, so a short page means little here.
    if (total is not None and total > state.end) or state.is_uneven:
        return End.SEEMS if state.evidence >= SURER_END else End.NOT_YET
    # 3. Nothing contradicts the pages; a total below the end is out of date or wrong.
    return End.SEEMS if state.evidence >= SURE_END else End.NOT_YET


def counts_list(page: Page, offset: int) -> bool:
    """Whether the total of a page counts the list, and not what the page happens to hold.

    A server may cap its pages, and count the rows of each, or those up to its end (U). Then its
    total agrees with every page.
    """
    total = page.total if type(page.total) is int else None
    # 1. It counts rows that follow the page, 2. or rows before an empty page, but not the offset.
    return total is not None and (
        total > offset + len(page.rows) or (not page.rows and 0 < total != offset)
    )


def _is_everything(state: State, total: int) -> bool:
    """Whether the server ignored the limit and sent the whole list."""
    return state.offset == 0 and total > state.limit


def _is_counted(state: State, total: int) -> bool:
    # Steps back may count a row twice, and an empty last page is joined to nothing.
    is_joined = state.offset < state.end or total == 0
    return state.believes_total and not state.has_stepped_back and is_joined and state.rows >= total


def _check_count(state: State, total: int) -> None:
    if state.is_cut and state.rows < total and not state.total_changed:
        msg = f"the server reports {total_text(total)}, but only {state.rows} different rows came"
        raise UnreliableError(msg)


def check_total(state: State) -> None:
    """Compare the total with an end after which nothing follows.

    Raises:
        UnreliableError: by the total there are more rows.
    """
    if state.total is not None and state.total > state.end:
        reported = total_text(state.total)
        msg = f"the server reports {reported}, but only {state.end} rows can be paged to"
        raise UnreliableError(msg)


def rows_behind(state: State, rows: list[Row]) -> list[Row]:
    """Return what a page asked for behind the end proves to follow it.

    1. Nothing, if it ends with the list's last row: some servers send the last page again.
    2. Nothing, if it holds only rows of the first page: some servers start over.
    3. Otherwise its rows, some of which may be known.
    """
    ids = [row["id"] for row in rows]
    is_last = ids[-1:] == [row["id"] for row in state.last[-1:]]
    return [] if is_last or {row["id"] for row in state.top}.issuperset(ids) else rows


def check_budget(state: State, requests: int) -> None:
    """Limit requests without new rows, and all requests by how far the scan got.

    Raises:
        UnreliableError: the list changes faster than it can be read, or never ends (PROOF 5).
    """
    enough = min(MAX_REQUESTS, SPARE_REQUESTS + 8 * state.furthest // state.stride)
    if state.idle > MAX_IDLE_REQUESTS or requests > enough:
        msg = f"no end in sight after {requests} requests and {state.rows} rows"
        raise UnreliableError(msg, dates_help=requests <= MAX_REQUESTS)
