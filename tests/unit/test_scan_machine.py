"""The state machine of a scan without any fetching: which page leads from which phase to which."""

from __future__ import annotations

from collections import Counter

import pytest

from bookio_api.scan.anchors import RecentPages
from bookio_api.scan.machine import Machine
from bookio_api.scan.pages import Page, Row
from bookio_api.scan.state import Phase
from tests.model_list import ModelList

LIMIT, OVERLAP = 20, 8


def machine(**options: bool) -> Machine:
    """Return a machine that pages by 20 rows and shares 8."""
    defaults = {"trust_total": True, "has_date_filters": False}
    return Machine(LIMIT, OVERLAP, **{**defaults, **options})


def rows(first: int, last: int) -> list[Row]:
    """Return unchanged rows with these ids."""
    return [{"id": key, "dateFrom": "2024-01-01"} for key in range(first, last + 1)]


def receive(under_test: Machine, *pages: list[Row], total: int | None = None) -> list[list[int]]:
    """Hand pages to a machine and return the ids that it emits for each."""
    return [
        [row["id"] for row in under_test.receive(Page(page, total), requests=at)]
        for at, page in enumerate(pages, 1)
    ]


def test_overlapping_pages_move_the_scan_forward():
    """The next page is asked for one overlap before the end of the last, and adds what is new."""
    scan = machine()
    assert receive(scan, rows(1, 20), rows(13, 32)) == [[*range(1, 21)], [*range(21, 33)]]
    assert (scan.state.phase, scan.state.asked) == (Phase.FORWARD, 24)


def test_a_page_without_anchors_is_not_used():
    """PROOF 5: the scan steps back two overlaps, then four, and emits nothing meanwhile."""
    scan = machine()
    assert receive(scan, rows(1, 20), rows(13, 32), rows(41, 60))[2] == []
    assert (scan.state.phase, scan.state.asked) == (Phase.STEP_BACK, 32 - 2 * OVERLAP)
    assert receive(scan, rows(51, 70)) == [[]]
    assert (scan.state.phase, scan.state.asked) == (Phase.STEP_BACK, 32 - 4 * OVERLAP)


def test_rows_that_are_no_longer_neighbours_are_not_anchors():
    """PROOF 4: unchanged rows with new neighbours may have moved, so they prove no position."""
    scan = machine()
    strangers = rows(100, 109)
    apart = [row for pair in zip(rows(13, 20), strangers, strict=False) for row in pair]
    receive(scan, rows(1, 20), apart)
    assert scan.state.phase is Phase.STEP_BACK


def test_an_anchored_page_after_a_step_back_moves_the_scan_forward():
    """PROOF 3: what the page holds behind its anchors is new, and the scan goes on from there."""
    scan = machine()
    receive(scan, rows(1, 20), rows(41, 60))
    assert receive(scan, rows(5, 30)) == [[*range(21, 31)]]
    assert scan.state.phase is Phase.FORWARD


def test_a_page_that_ends_in_a_known_row_is_followed_by_a_careful_join():
    """CATCH_UP: the next page may hold more known rows than the overlap, and none comes twice."""
    scan = machine()
    receive(scan, rows(1, 20), rows(13, 32), rows(60, 79), rows(9, 28))
    assert scan.state.phase is Phase.CATCH_UP
    assert receive(scan, rows(21, 40)) == [[*range(33, 41)]]
    assert scan.state.phase is Phase.FORWARD


def test_an_end_that_matches_the_total_needs_no_further_request():
    """A trusted total that agrees with the rows ends the scan; the order was checked by then."""
    scan = machine()
    receive(scan, rows(1, 20), rows(13, 32), rows(25, 35), total=35)
    assert scan.state.phase is Phase.DONE
    assert scan.verdict.complete


@pytest.mark.parametrize("total", [None, 5])
def test_an_end_that_the_total_does_not_confirm_is_checked(total):
    """PROOF 8: without a total, or one to be trusted, two pages behind the end must be empty."""
    scan = machine(trust_total=False)
    receive(scan, rows(1, 5), total=total)
    if total is None:  # one short page does not prove the end
        assert (scan.state.phase, scan.state.asked) == (Phase.FORWARD, 3)
        receive(scan, rows(4, 5))
    assert (scan.state.phase, scan.state.asked) == (Phase.LOOK_BEHIND_END, 5)
    receive(scan, [])
    assert (scan.state.phase, scan.state.asked) == (Phase.LOOK_FURTHER, 10)
    receive(scan, [])
    assert scan.state.phase is Phase.DONE
    assert scan.verdict.complete


def test_rows_past_a_false_end_make_the_scan_step_back():
    """Rows that follow the end are not emitted there: the scan goes back to join them."""
    scan = machine(trust_total=False)
    receive(scan, rows(1, 15), total=15)
    assert scan.state.phase is Phase.LOOK_BEHIND_END
    assert receive(scan, rows(16, 20), []) == [[], []]
    assert scan.state.phase is Phase.STEP_BACK
    assert not scan.verdict.complete


def test_rows_that_followed_an_end_and_were_joined_are_looked_behind_again():
    """PROOF 8: the page that showed them may have been cut, so it proves no end."""
    scan = machine(trust_total=False)
    receive(scan, rows(1, 15), rows(16, 20), [], total=15)
    assert (scan.state.phase, scan.state.asked) == (Phase.STEP_BACK, 1)
    receive(scan, rows(2, 20), rows(13, 20), total=20)
    assert (scan.state.phase, scan.state.asked) == (Phase.LOOK_BEHIND_END, 20)
    receive(scan, [], [], total=20)
    assert scan.state.phase is Phase.DONE
    assert scan.verdict.complete


def test_an_empty_page_after_two_rows_is_not_the_end():
    """The two pages share no row, so the list is read again from its start."""
    scan = machine()
    receive(scan, rows(1, 2), [])
    assert (scan.state.phase, scan.state.asked) == (Phase.LOOK_BEHIND_END, 0)
    receive(scan, rows(1, 20), [])
    assert scan.state.phase is Phase.STEP_BACK


def test_an_end_after_a_step_back_is_not_counted():
    """PROOF 7: rows may have been counted twice by then, so the end is looked behind."""
    scan = machine()
    receive(scan, rows(1, 20), rows(41, 60), total=30)
    assert scan.state.phase is Phase.STEP_BACK
    receive(scan, rows(5, 24), rows(17, 30), total=30)
    assert (scan.state.phase, scan.state.asked) == (Phase.LOOK_BEHIND_END, 30)


def test_a_larger_total_takes_more_evidence_of_the_end():
    """PROOF 7: two quiet pages are enough, but four are needed if the total says there is more."""
    quiet_pages = Counter()
    for total in (None, 50):
        scan = machine()
        receive(scan, rows(1, 20), total=total)
        while scan.state.phase is not Phase.LOOK_BEHIND_END:
            receive(scan, rows(13, 20), total=total)
            quiet_pages[total] += 1
    assert quiet_pages == {None: 2, 50: 4}


@pytest.mark.parametrize("has_date_filters", [True, False])
def test_rows_that_change_places_end_paging_by_offset(has_date_filters):
    """PROOF 6: an unstable order leads to DATE_WINDOWS or, without date filters, to INCOMPLETE."""
    scan = machine(has_date_filters=has_date_filters)
    receive(scan, rows(1, 20), rows(13, 32)[::-1])
    assert scan.state.phase is (Phase.DATE_WINDOWS if has_date_filters else Phase.DONE)
    assert not scan.verdict.complete
    assert "order of the list is not stable" in scan.verdict.reason


def test_few_anchors_are_not_enough_to_rule_out_a_shuffled_order():
    """PROOF 6: a list of two pages with a short overlap has its first page read again."""
    scan = Machine(8, 4, trust_total=True, has_date_filters=False)
    receive(scan, rows(1, 8), rows(5, 10), total=10)
    assert (scan.state.phase, scan.state.asked) == (Phase.CHECK_ORDER, 0)
    receive(scan, rows(1, 8), total=10)
    assert scan.state.phase is Phase.DONE
    assert scan.verdict.complete


def test_memory_for_huge_pages_is_bounded():
    """Old pages are forgotten once more than the allowed rows are remembered; never the last."""
    recent = RecentPages(max_pages=3, max_rows=100)
    sizes = []
    for first in (0, 60, 120, 180, 1000):
        recent.add({row["id"]: row for row in rows(first, first + 49)})
        sizes.append(len(recent))
    assert sizes == [50, 100, 100, 100, 100]
    recent.add({row["id"]: row for row in rows(2000, 2499)})
    assert [row["id"] for row in recent.rows()] == [*range(2000, 2500)]


def test_the_number_of_small_pages_is_bounded():
    """Only the last pages are remembered, whatever their size."""
    server = ModelList(100)
    recent = RecentPages(max_pages=3)
    for offset in range(0, 100, 10):
        page = server.fetch(offset, 10, {}).rows
        recent.add({row["id"]: row for row in page})
    assert len(recent) == 30


def test_a_page_that_is_read_again_anchors_as_before():
    """PROOF 9: only the last page keeps its rows; a step back decodes the others once more."""
    reread = []

    def page(first: int, last: int) -> Page:
        def again() -> list[Row]:
            reread.append(first)
            return rows(first, last)

        return Page(rows(first, last), reread=again)

    scan = machine()
    for requests, each in enumerate((page(1, 20), page(13, 32), page(25, 44)), 1):
        scan.receive(each, requests)
    assert not reread
    scan.receive(page(60, 79), 4)  # not anchored
    assert sorted(reread) == [1, 13]
    assert [row["id"] for row in scan.receive(page(29, 48), 5)] == [45, 46, 47, 48]
    assert sorted(reread) == [1, 13], "what was decoded again stays"
