"""Scans on inconsistent servers: no row is lost, or the scan says so."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest

from bookio_api.scan import Scan
from bookio_api.scan.pages import Page
from tests.model_list import DATE_FILTERS, ModelList, ids, read


def on_third_response(change):
    """Return a ``mangle`` for `ModelList` that changes the third response only."""
    calls = []

    def mangle(rows, *_):
        calls.append(1)
        return change(rows) if len(calls) == 3 else rows

    return mangle


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda _: [], id="empty"),
        pytest.param(lambda rows: rows[:1], id="one row"),
        pytest.param(lambda rows: rows[:2], id="two rows"),
        pytest.param(lambda rows: rows[:10], id="the overlap only"),
        pytest.param(lambda rows: rows[:40], id="short"),
        pytest.param(lambda rows: rows[10:], id="no overlap"),
    ],
)
@pytest.mark.parametrize("total", [None, lambda n: n], ids=["no total", "total"])
def test_a_page_that_was_short_once_loses_no_row(change, total):
    """A short page in mid-list is not taken for the end."""
    server = ModelList(700, total=total, mangle=on_third_response(change))
    got, scan = read(server)
    assert got == ids(server)
    assert scan.verdict.complete, scan.verdict


@pytest.mark.parametrize(
    ("page_cap", "cuts"),
    [
        pytest.param(50, {40: 10}, id="one"),
        pytest.param(100, {90: 40, 120: 10}, id="two, one after the other"),
        pytest.param(50, {40: 10, 30: 20, 20: 30}, id="every way to the same row"),
    ],
)
@pytest.mark.parametrize("total", [None, lambda n: n], ids=["no total", "total"])
def test_a_page_that_is_always_short_is_not_the_end(page_cap, cuts, total):
    """PROOF 8: where a page is cut whenever it is asked for, a look behind it finds the rest."""
    server = ModelList(500, page_cap=page_cap, total=total)
    server.mangle = lambda rows, offset, _: rows[: cuts.get(offset, 100)]
    got, scan = read(server)
    assert got == ids(server)
    assert scan.verdict.complete, scan.verdict


@pytest.mark.parametrize(
    "total", [None, lambda n: n, lambda n: n + 130], ids=["no", "shown", "all"]
)
@pytest.mark.parametrize("filters", [DATE_FILTERS, None])
def test_rows_that_are_filtered_after_paging_do_not_end_the_list(total, filters):
    """With 130 of 500 rows hidden in a run, no page joins what is before to what is behind."""
    everything = ModelList(500, seed=3)
    hidden = ids(everything)[200:330]
    scan = Scan(ModelList(500, seed=3, total=total, hidden=hidden).fetch, date_filters=filters)
    got = [row["id"] for page in scan.pages() for row in page]
    assert set(got) == set(ids(everything)) - set(hidden) or not scan.verdict.complete


@pytest.mark.parametrize("beyond", [slice(-10, None), slice(0, 10)], ids=["last", "first"])
def test_rows_repeated_past_the_end_of_the_list_end_the_scan(beyond):
    """Its last or first rows, sent instead of an empty page, are not taken for new ones."""
    server = ModelList(350, total=None)
    everything = list(server.rows.values())
    server.mangle = lambda rows, *_: rows or everything[beyond]
    got, scan = read(server)
    assert got == ids(server)
    assert scan.verdict.complete, scan.verdict


@pytest.mark.parametrize("total", [lambda _: 50, lambda n: n, None], ids=["page", "list", "none"])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_without_a_trusted_total_the_scan_looks_past_the_end(total, concurrency):
    """A total that counts its page alone does not end the list with the first, capped page."""
    server = ModelList(500, page_cap=50, total=total)
    with ThreadPoolExecutor(4) as executor:
        options = {"executor": executor, "concurrency": concurrency, "trust_total": False}
        got, scan = read(server, **options)
    assert got == ids(server)
    assert scan.verdict.complete, scan.verdict


@pytest.mark.parametrize("total", [7, "30", "many", -1, True, 1000])
def test_a_wrong_total_loses_no_row(total):
    """Every row comes whatever the total; only one that is too large makes a scan INCOMPLETE."""
    server = ModelList(300, total=lambda _: total)
    got, scan = read(server)
    assert got == ids(server)
    assert scan.verdict.complete is (total != 1000)


def test_a_total_that_cannot_be_paged_to_is_incomplete():
    """The reason names both numbers."""
    scan = read(ModelList(250, total=lambda n: n + 50))[1]
    reason = "the server reports a total of 300, but only 250 rows can be paged to"
    assert scan.verdict == (False, reason)


@pytest.mark.parametrize("total", [10**9, -421905123456, 421905123456])
def test_an_implausible_total_is_not_repeated(total):
    """A number that counts no rows may be somebody's phone number: it stays out of the reason."""
    reason = read(ModelList(250, total=lambda _: total))[1].verdict.reason
    assert str(total) not in reason
    assert ("an implausible total" in reason) is (total > 0)


def test_a_page_that_once_left_rows_out_is_incomplete():
    """The rows are never shown, but a constant total reveals the loss."""
    mangle = on_third_response(lambda rows: rows[:50] + rows[57:])
    got, scan = read(ModelList(700, mangle=mangle))
    assert len(got) == 693
    reason = "the server reports a total of 700, but only 693 different rows came"
    assert scan.verdict == (False, reason)


def test_pages_that_leave_rows_out_are_incomplete():
    """A server that drops rows of every page can still be read, but not proven complete."""

    def leave_out(rows, *_):
        return [row for row in rows if row["id"] % 7]

    got, scan = read(ModelList(700, mangle=leave_out))
    assert not scan.verdict.complete
    assert len(got) > 500


def test_pages_of_two_rows_cannot_be_verified():
    """Two anchors leave no room for a new row: the scan emits what came and is INCOMPLETE."""
    got, scan = read(ModelList(50, page_cap=2))
    assert scan.verdict.reason == "the server's pages hold 2 rows; 3 are needed to verify them"
    assert got


def test_an_ignored_limit_is_harmless():
    """A server that sends everything at once is read in one go."""
    server = ModelList(1000)
    scan = Scan(lambda _, __, window: server.fetch(0, 1000, window)._replace(total=1000))
    assert [row["id"] for page in scan.pages() for row in page] == ids(server)
    assert scan.verdict.complete


@pytest.mark.parametrize("trust_total", [True, False])
@pytest.mark.parametrize("counts", ["page", "up to its end"])
@pytest.mark.parametrize("order", ["id", "random"])
@pytest.mark.parametrize("seed", range(10))
def test_a_total_that_counts_the_page_ends_no_list(trust_total, counts, order, seed):
    """PROOF 7: it agrees with every page, also with one that the server has cut."""
    cut = random.Random(seed)
    server = ModelList(230, order=order, seed=seed, days=60)

    def fetch(offset, limit, window):
        page = server.fetch(offset, min(limit, cut.randint(25, 50)), window)
        return page._replace(total=len(page.rows) + (0 if counts == "page" else offset))

    scan = Scan(fetch, trust_total=trust_total, date_filters=DATE_FILTERS)
    got = {row["id"] for page in scan.pages() for row in page}
    assert got == set(ids(server)) or not scan.verdict.complete
    assert scan.verdict.complete or order == "random", scan.verdict.reason


@pytest.mark.parametrize("seed", range(400))
def test_pages_cut_at_random_end_no_list(seed):
    """PROOF 8: a cut page behind a false end does not prove that the list ends with it."""
    cut = random.Random(seed)
    rows = [{"id": key, "dateFrom": "2024-01-01"} for key in range(1, 21)]
    scan = Scan(
        lambda offset, limit, _: Page(rows[offset : offset + min(limit, cut.randint(4, 8))]),
        page_size=50,
    )
    got = {row["id"] for page in scan.pages() for row in page}
    assert len(got) == len(rows) or not scan.verdict.complete


@pytest.mark.parametrize("size", [20, 100])
def test_an_ignored_offset_is_incomplete(size):
    """The same page again and again is emitted once."""
    server = ModelList(300, total=None)
    scan = Scan(lambda _, __, window: Page(server.fetch(0, size, window).rows))
    assert sum(map(len, scan.pages())) == size
    assert "ignores the offset" in scan.verdict.reason


@pytest.mark.parametrize("page_cap", [None, 37])
def test_a_list_that_restarts_from_the_beginning_is_incomplete(page_cap):
    """A server that pages in a circle is noticed where the first rows follow the last one."""
    rows = [{"id": key, "dateFrom": f"2024-01-{key % 28 + 1:02}"} for key in range(250)]

    def fetch(offset, limit, _):
        limit = min(limit, page_cap or limit)
        return Page([rows[at % 250] for at in range(offset, offset + limit)])

    scan = Scan(fetch)
    got = {row["id"] for page in scan.pages() for row in page}
    assert got == set(range(250))
    assert scan.verdict.reason == "the list starts over after its end"


def test_a_list_that_changes_entirely_ends_in_bounded_requests():
    """PROOF 5: where no two pages share a row the scan gives up."""
    keys = iter(range(10**9))

    def fetch(_, limit, __):
        return Page([{"id": key, "dateFrom": "2024-01-01"} for key in islice(keys, limit)])

    scan = Scan(fetch, date_filters=None)
    assert sum(map(len, scan.pages())) > 0
    assert "share no rows" in scan.verdict.reason
    assert scan.requests < 60


def test_a_list_that_outgrows_its_reader_ends_in_bounded_requests():
    """PROOF 5: a list that grows faster than it can be read makes the scan INCOMPLETE."""
    server = ModelList(400, order="modified", rate=40, total=None, page_cap=20)
    scan = read(server, date_filters=None)[1]
    assert "no end in sight" in scan.verdict.reason
    assert scan.requests < 600
