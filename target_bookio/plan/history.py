"""Pure: whether a record repeats the history of its row (rule 11 of docs/design/write-back.md).

A source that sends its stream again repeats a row's earlier records. To carry those out again would
undo later changes and e-mail the patient twice.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from bookio_api.contract import RESOURCES, TERM
from target_bookio.journal.entry import REFUSED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_bookio.desired import Desired
    from target_bookio.journal.entry import Entry


def may_be_history(entry: Entry, wish: str) -> bool:
    """Whether a record equals an earlier one of its row that a settled one followed.

    The earlier one may have been refused: if it were accepted now, it would undo the later one.
    """
    last = entry.last_settled
    if last in {"", wish}:
        return False
    before_last = entry.past[: -1 - entry.past[::-1].index(last)]
    return wish in before_last or REFUSED + wish in before_last


def is_history(past: Sequence[str], desired: Desired, later: Iterable[Desired]) -> bool:
    """Whether a record that `may_be_history` is not needed, given the later ones of its row."""
    following = [record for record in later if record.wish != desired.wish]
    if not following:
        return False
    # 1. The same record followed the last time: the source sends its stream again.
    wishes = (earlier.removeprefix(REFUSED) for earlier in past)
    if (desired.wish, following[0].wish) in pairwise(wishes):
        return True
    # 2. The later ones set everything that this one sets. If they do not, for instance if it
    #    cancels the booking again and the next one sets only its term, it is a new request.
    needed = _changes(desired)
    for record in following:
        needed -= _changes(record)
        if not needed or record.deleted:
            return True
    return False


def _changes(desired: Desired) -> set[str]:
    """Return the fields that a record sets, of those that can change."""
    if desired.deleted:
        return {"status"}
    fields = RESOURCES[desired.stream].changeable_fields & desired.values.keys()
    # Without an end, Bookio derives it from the start. Every record has its externalId.
    return {*fields, *(TERM if TERM[0] in fields else ())} - {"externalId"}
