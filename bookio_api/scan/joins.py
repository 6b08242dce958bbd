"""Whether a page joins the pages accepted before it, and which of its rows are new."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bookio_api.scan.pages import UnreliableError
from bookio_api.scan.state import Phase

if TYPE_CHECKING:
    from bookio_api.scan.anchors import Match
    from bookio_api.scan.pages import Row
    from bookio_api.scan.state import State

SURE_ANCHORS = 6
"""This many rows keep their sequence in a shuffled list once in 720 times: no closer look then."""


class Join(NamedTuple):
    """A page that may be accepted."""

    ids: list[int]
    """Of all its rows, in list order."""
    by_id: dict[int, Row]
    fresh: list[Row]
    """Rows to emit: new ones, and new versions of known ones."""
    unseen: int
    """How many of them have an id that is not remembered."""
    in_order: int
    """How many anchors came in the sequence in which they came before."""
    ends_in_anchor: bool
    """Whether the last row was known, so that more known rows may follow."""


def join(state: State, rows: list[Row]) -> Join | None:
    """Return the join of the page that was asked for, or None if it is not anchored.

    Raises:
        UnreliableError: unchanged rows changed places.
    """
    ids = [row["id"] for row in rows]
    by_id = dict(zip(ids, rows, strict=True))
    if _follows_directly(state, rows, by_id):
        overlap = state.overlap
        return Join(ids, by_id, rows[overlap:], len(rows) - overlap, overlap, ends_in_anchor=False)
    match = state.recent.match(by_id)
    if not _is_anchored(state, rows, match):
        return None
    ends_in_anchor = bool(rows) and rows[-1]["id"] in match.anchors
    return Join(ids, by_id, match.fresh, match.unseen, match.in_order, ends_in_anchor)


def _follows_directly(state: State, rows: list[Row], by_id: dict[int, Row]) -> bool:
    """Whether the page begins with exactly the last rows of the page before it.

    PROOF 9: then `RecentPages.match` need not be asked. In a calm list every page but the last
    few passes here, for one comparison of two short slices instead of one a row and page.

    1. The scan goes forward, from a page whose last row was new. Otherwise known rows may follow
       the overlap, and they must not be emitted twice.
    2. The overlap is long enough that it is not the sequence of a shuffled list by chance.
    3. Something follows the overlap, and no id came twice on the page.
    """
    overlap = state.overlap
    return (
        state.phase is Phase.FORWARD
        and state.asked > 0
        and SURE_ANCHORS <= overlap < len(rows) == len(by_id)
        and rows[:overlap] == state.last[-overlap:]
    )


def _is_anchored(state: State, rows: list[Row], match: Match) -> bool:
    # 1. PROOF 2: nothing is before offset 0, so a page there needs no anchor.
    if state.asked == 0:
        return True
    # 2. PROOF 3 and 4: two neighbours that were accepted before are on the page.
    if state.can_overlap:
        return match.is_linked
    # 3. The last page held so few rows that its successor shares none. Nothing proves a join, but
    #    an empty page there is accepted as a sign of the end; `Machine` then reads on at offset 0.
    return not rows and state.asked == state.end


def check_start_over(state: State, rows: list[Row], ids: list[int]) -> None:
    """Refuse a page on which the list's first rows follow its last row.

    Raises:
        UnreliableError: the server pages in a circle.
    """
    if state.asked == 0 or not state.top:
        return
    last_id = state.last[-1]["id"] if state.last else None
    if last_id not in ids:
        return
    tail = rows[ids.index(last_id) + 1 :]
    if tail and tail[: len(state.top)] == state.top[: len(tail)]:
        msg = "the list starts over after its end"
        raise UnreliableError(msg)
