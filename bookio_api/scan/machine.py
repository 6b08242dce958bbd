"""The state machine of a scan: what a page means, and what to ask for next.

It does no I/O: `Scan` fetches the page at ``asked`` and passes it to `receive`.
"PROOF n" and "A n" refer to PROOF.md.

    phase             what came                             next phase
    ────────────────  ────────────────────────────────────  ───────────────
    FIRST_PAGE,       a page that is not anchored           STEP_BACK
    FORWARD,          an anchored page that ends in a       FORWARD
    CATCH_UP,           new row
    STEP_BACK         one that ends in a known row          CATCH_UP
                      the last page, all rows counted       CHECK_ORDER
                      what seems to be the last page        LOOK_BEHIND_END
    LOOK_BEHIND_END   rows or none                          LOOK_FURTHER
    LOOK_FURTHER      rows, here or one page before         STEP_BACK
                      none                                  CHECK_ORDER
    CHECK_ORDER       too little against a shuffled order   CHECK_ORDER
                      enough                                DONE, COMPLETE
    any               a contradiction                   DATE_WINDOWS, or
                                                            DONE, INCOMPLETE
"""

from __future__ import annotations

from math import factorial
from typing import TYPE_CHECKING, NamedTuple

from bookio_api.scan import end_of_list
from bookio_api.scan.end_of_list import End
from bookio_api.scan.joins import check_start_over, join
from bookio_api.scan.pages import UnreliableError, Verdict
from bookio_api.scan.state import MIN_SHARED, Phase, State

if TYPE_CHECKING:
    from bookio_api.scan.joins import Join
    from bookio_api.scan.pages import Page, Row

SURE_ORDER = 100_000
"""The odds against a shuffled order that a scan wants, from all its anchors, before it ends."""
ENOUGH_IN_ORDER = 9
"""Its factorial exceeds `SURE_ORDER`."""
MAX_REREADS = 8
MAX_RESTARTS = 6
MAX_FALSE_ENDS = 6
"""How often rows may follow the end without a page that joins them, before it gives up."""
MAX_RAMP = 6
"""Without a total the pages fetched ahead double up to this power of two."""


class Ahead(NamedTuple):
    """Which pages the scan is likely to ask for next, so that they may be fetched ahead."""

    stride: int
    """How far apart they begin."""
    until: int | None
    """Nothing is asked for at or beyond this offset, except the next page."""
    max_pages: int | None
    """At most so many."""


class Step(NamedTuple):
    """What follows from a page: the next phase, the offset to ask for, and the rows to emit."""

    phase: Phase
    offset: int
    rows: list[Row]
    ahead: Ahead | None = None


class Machine:
    """Decides what a scan asks for next, and what of each page is new.

    Others may read ``state`` and ``ahead``; only the machine changes them.
    """

    def __init__(
        self,
        limit: int,
        max_overlap: int,
        *,
        trust_total: bool,
        total_is_whole: bool = False,
        has_date_filters: bool,
    ) -> None:
        """Start before the first page. Without date filters no scan enters DATE_WINDOWS."""
        self.state = State(limit, max_overlap, trust_total, total_is_whole=total_is_whole)
        self._has_date_filters = has_date_filters
        self.ahead: Ahead | None = None
        self.verdict = Verdict(complete=False, reason="the list was not read to its end")

    def receive(self, page: Page, requests: int) -> list[Row]:
        """Process the page at ``asked``, enter the next phase, and return the rows to emit.

        ``requests`` is how many were made so far.
        """
        state = self.state
        state.unwritten = page.rows
        state.total_is_whole = state.total_is_whole or end_of_list.counts_list(page, state.asked)
        try:
            step = self._step(page, requests)
        except UnreliableError as problem:
            # The rows are emitted, though some of them may come again.
            self.verdict = Verdict(complete=False, reason=str(problem))
            by_date = problem.dates_help and self._has_date_filters
            step = Step(Phase.DATE_WINDOWS if by_date else Phase.DONE, 0, state.unwritten)
        else:
            if step.phase is Phase.DONE:
                self.verdict = Verdict(complete=True)
        state.phase, state.asked, self.ahead = step.phase, step.offset, step.ahead
        return step.rows

    def finish_by_date(self, problem: str = "") -> None:
        """Leave DATE_WINDOWS; an empty ``problem`` means that every window was read."""
        assert self.state.phase is Phase.DATE_WINDOWS, f"{self.state.phase} does not read by date"
        if problem:
            reason = f"{self.verdict.reason}; reading by date did not help: {problem}"
            self.verdict = Verdict(complete=False, reason=reason)
        else:
            self.verdict = Verdict(complete=True)
        self.state.phase = Phase.DONE

    def _step(self, page: Page, requests: int) -> Step:  # noqa: C901, PLR0911 (all transitions)
        """Return what follows from a page in the current phase: all transitions are here."""
        state = self.state
        match state.phase:
            case Phase.FIRST_PAGE | Phase.FORWARD | Phase.CATCH_UP | Phase.STEP_BACK:
                joined = join(state, page.rows)
                if joined is None:  # PROOF 5: an earlier page may share rows with those accepted
                    return Step(Phase.STEP_BACK, self._further_back(requests), [])
                state.unwritten = joined.fresh
                check_start_over(state, page.rows, joined.ids)
                match self._accept(page, joined):
                    case End.NOT_YET:
                        end_of_list.check_budget(state, requests)
                        phase = Phase.CATCH_UP if joined.ends_in_anchor else Phase.FORWARD
                        ahead = self._ahead(len(page.rows))
                        return Step(phase, state.forward_offset, joined.fresh, ahead)
                    case End.COUNTED:
                        return self._end(joined.fresh)
                    case End.SEEMS:
                        return self._look_behind_end(page.rows, joined.fresh)
            case Phase.LOOK_BEHIND_END:
                state.near = end_of_list.rows_behind(state, page.rows)
                return Step(Phase.LOOK_FURTHER, state.end + state.reach, [])
            case Phase.LOOK_FURTHER:
                far = end_of_list.rows_behind(state, page.rows)
                if state.near or far:
                    return Step(Phase.STEP_BACK, self._back_from_end(far, requests), [])
                return self._end([])  # PROOF 8: nothing follows
            case Phase.CHECK_ORDER:
                joined = join(state, page.rows)
                assert joined, "a page at offset 0 needs no anchor"
                self._remember(page, joined)
                return self._check_order(joined.fresh)
            case Phase.DATE_WINDOWS | Phase.DONE:
                msg = f"{state.phase} asks for no page"
                raise AssertionError(msg)

    def _remember(self, page: Page, joined: Join) -> None:
        """Record a page as accepted, in any phase."""
        state = self.state
        state.recent.add(joined.by_id, page.reread)
        state.rows += joined.unseen
        # PROOF 6: a shuffled list keeps n rows in sequence once in n! times.
        odds = state.order_odds * factorial(min(joined.in_order, ENOUGH_IN_ORDER))
        state.order_odds = min(SURE_ORDER, odds)

    def _accept(self, page: Page, joined: Join) -> End:
        """Record a page that advances the scan, and return its evidence about the end.

        PROOF 1: from here on every resident row up to the end of this page has been seen.
        The order of the assignments matters: what compares the page with the one before it comes
        before that one is replaced.
        """
        state, rows, news = self.state, page.rows, len(joined.fresh)
        self._remember(page, joined)
        state.repeats = end_of_list.count_repeats(state, joined.ids)
        is_quiet = not news and not state.repeats.pages and end_of_list.ends_as_before(state, rows)
        state.longest = max(state.longest, len(rows))
        if state.accepted and news > state.overlap:  # so the page before was not the last one
            state.is_uneven = state.is_uneven or len(state.last) < state.longest
            state.is_cut = state.is_cut or len(state.last) < state.limit
        full = state.longest if state.accepted else state.limit
        is_short = not rows or len(rows) < full

        total = page.total if type(page.total) is int else None
        state.total_changed = state.total_changed or bool(state.accepted and total != state.total)
        state.total = total
        self._move_to(rows)
        if state.first is None:
            state.first = page
        state.accepted += 1
        state.idle = 0 if news else state.idle + 1
        state.back = 1
        state.evidence = end_of_list.weigh(state, news, is_short=is_short, is_quiet=is_quiet)
        return end_of_list.judge(state, is_short=is_short, is_quiet=is_quiet)

    def _move_to(self, rows: list[Row]) -> None:
        """Make the requested page the last one."""
        state = self.state
        if state.asked == 0:
            state.top = rows
        if rows or state.asked == 0:  # an empty page cannot be overlapped: keep the one before it
            state.last = rows
        state.offset, state.end = state.asked, state.asked + len(rows)
        state.furthest = max(state.furthest, state.end)

    def _ahead(self, length: int) -> Ahead:
        """Return which pages are likely to follow a page of this length."""
        state = self.state
        # 1. The total gives the end of the list: fetch everything up to it.
        if state.total is not None and state.total >= state.end:
            return Ahead(state.stride, until=state.total - state.overlap, max_pages=None)
        # 2. No total, but full pages: more and more at a time, because most lists are short.
        # 3. A short page: nothing but the next one.
        ramp = min(state.accepted - 1, MAX_RAMP) if length == state.longest else 0
        return Ahead(state.stride, until=None, max_pages=1 << ramp)

    def _further_back(self, requests: int) -> int:
        """Return the offset to ask for after a page that was not anchored: twice as far back.

        Raises:
            UnreliableError: too many restarts or requests.
        """
        state = self.state
        state.idle += 1
        state.has_stepped_back = True
        end_of_list.check_budget(state, requests)
        state.back *= 2
        offset = max(0, state.end - state.overlap * state.back)
        if offset == 0:
            state.back = 1
            state.restarts += 1
        if state.restarts <= MAX_RESTARTS:
            return offset
        if state.longest <= MIN_SHARED:
            need = f"{MIN_SHARED + 1} are needed to verify them"
            msg = f"the server's pages hold {state.longest} rows; {need}"
            raise UnreliableError(msg)
        msg = f"after {MAX_RESTARTS} restarts the pages still share no rows with one another"
        raise UnreliableError(msg, dates_help=True)

    def _look_behind_end(self, rows: list[Row], fresh: list[Row]) -> Step:
        """Return the step after a page with which the list seems to end."""
        state = self.state
        if fresh:
            state.false_ends = 0
        state.near = []
        # 1. The list seems empty: there is only the page further on to look at.
        if state.end == 0:
            return Step(Phase.LOOK_FURTHER, state.reach, fresh)
        # 2. An empty page behind one or two rows shares none with them: read all of it again.
        if not rows:
            return Step(Phase.LOOK_BEHIND_END, 0, fresh)
        # 3. Otherwise look at two pages behind the end, both at once.
        ahead = Ahead(state.reach, until=None, max_pages=2)
        return Step(Phase.LOOK_BEHIND_END, state.end, fresh, ahead)

    def _back_from_end(self, far: list[Row], requests: int) -> int:
        """Return the offset from which to join rows that follow a false end: ever further back.

        Raises:
            UnreliableError: no page joins them, or too many requests.
        """
        state = self.state
        state.unwritten = [*state.near, *far]
        state.idle += 1
        state.has_stepped_back = True
        state.evidence = 0
        end_of_list.check_budget(state, requests)
        state.false_ends += 1
        if state.false_ends > MAX_FALSE_ENDS:
            msg = "rows follow the end of the list, and no page joins them to it"
            raise UnreliableError(msg, dates_help=True)
        return max(0, state.end - (state.overlap << state.false_ends))

    def _end(self, fresh: list[Row]) -> Step:
        """Return the step after the end of the list, behind which nothing follows.

        Raises:
            UnreliableError: by the total there are more rows.
        """
        state = self.state
        end_of_list.check_total(state)
        assert state.first, "the end was reached without a page"
        length = len(state.first.rows)
        is_whole = length == state.end or (state.believes_total and length == state.first.total)
        if is_whole and length < state.limit:
            return Step(Phase.DONE, 0, fresh)  # one response held the list: no order to check
        return self._check_order(fresh)

    def _check_order(self, fresh: list[Row]) -> Step:
        """Ask for the first page again while the anchors may be those of a shuffled list."""
        state = self.state
        if state.order_odds >= SURE_ORDER or state.rereads == MAX_REREADS:
            return Step(Phase.DONE, 0, fresh)
        state.rereads += 1
        return Step(Phase.CHECK_ORDER, 0, fresh)
