"""Scans of lists that change little or not at all, on consistent servers."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from bookio_api.errors import ValidationError
from bookio_api.scan import Scan
from bookio_api.scan.pages import Page
from tests.model_list import ModelList, ShuffledExecutor, ids, read


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 10, 11, 99, 100, 101, 190, 191, 1000])
@pytest.mark.parametrize("total", [None, lambda n: n], ids=["no total", "total"])
@pytest.mark.parametrize("page_size", [1, 2, 3, 4, 7, 20, 100, 500])
def test_a_calm_list_is_emitted_once_and_in_order(size, total, page_size):
    """Overlapping pages repeat no row and lose none, for every size around a page's edge."""
    server = ModelList(size, total=total)
    got, scan = read(server, page_size=page_size)
    assert got == ids(server)
    assert scan.verdict.complete, scan.verdict
    assert scan.rows == size
    assert max(limit for _, limit, _ in server.requests) <= 100


@pytest.mark.parametrize("size", [0, 1, 2, 37, 99])
def test_a_list_that_fits_one_response_costs_one_request(size):
    """A total that agrees with a short page needs no confirmation if totals count the list."""
    assert read(ModelList(size), total_is_whole=True)[1].requests == 1


def test_a_total_that_may_count_its_page_costs_two_requests():
    """Its page may be cut, and the total may count the rows of the page alone."""
    assert read(ModelList(37))[1].requests == 3
    assert read(ModelList(0))[1].requests == 1
    assert read(ModelList(137))[1].requests == 2, "137 on a page of 100"


@pytest.mark.parametrize("size", [37, 137])
def test_a_scan_that_has_seen_a_whole_total_spares_the_next_one_two_requests(size):
    """Rows behind a page, or an empty page with the total of the list, show what it counts."""
    assert read(ModelList(size))[1].total_is_whole
    assert not read(ModelList(0))[1].total_is_whole


def test_without_a_total_three_more_requests_confirm_the_end():
    """The last page is asked for again, then two pages behind the end."""
    server = ModelList(37, total=None)
    assert read(server)[1].requests == 4
    assert [offset for offset, _, _ in server.requests] == [0, 27, 37, 74]


def test_a_total_that_is_not_trusted_costs_two_requests():
    """The two pages behind the end; behind an empty list there is only one to ask for."""
    assert read(ModelList(30), trust_total=False)[1].requests == 3
    assert read(ModelList(0), trust_total=False)[1].requests == 2


def test_the_overlap_costs_a_ninth_of_the_requests():
    """Pages of 100 rows bring 90 new ones each."""
    assert read(ModelList(9_000))[1].requests == 100


def test_a_page_cap_below_the_limit_is_learned():
    """Offsets advance by the length of the server's pages, not by the requested limit."""
    server = ModelList(1000, page_cap=50)
    got, scan = read(server)
    assert got == ids(server)
    assert scan.requests <= 27


@pytest.mark.parametrize("total", [None, lambda n: n], ids=["no total", "total"])
@pytest.mark.parametrize("page_cap", [None, 50, 7])
@pytest.mark.parametrize("size", [150, 1005])
def test_concurrency_does_not_change_the_rows(total, page_cap, size):
    """PROOF 3 needs no order in time: pages fetched in parallel are emitted in list order."""
    server = ModelList(size, total=total, page_cap=page_cap)
    with ThreadPoolExecutor(8) as executor:
        for concurrency in (1, 2, 4, 8):
            got, scan = read(server, executor=executor, concurrency=concurrency)
            assert got == ids(server)
            assert scan.verdict.complete


def test_the_total_limits_prefetching():
    """Prefetching requests no page that a scan without it would not request."""
    server = ModelList(1005)
    alone = read(server)[1].requests
    with ThreadPoolExecutor(8) as executor:
        assert read(server, executor=executor, concurrency=8)[1].requests == alone


@pytest.mark.parametrize("row", [{"dateFrom": "2024-05-01T08:00:00"}, {}], ids=["one date", "none"])
def test_rows_need_no_distinct_dates(row):
    """Rows are distinguished by id alone."""
    rows = [{"id": key, **row} for key in range(5)]
    scan = Scan(lambda offset, limit, _: Page(rows[offset : offset + limit]))
    assert [row for page in scan.pages() for row in page] == rows
    assert scan.verdict.complete, scan.verdict


def test_a_first_page_that_was_requested_before_is_used():
    """No request is made twice, and the first response keeps its server time."""
    server = ModelList(30)
    first: Future[Page] = Future()
    first.set_result(Page(server.fetch(0, 100, {}).rows, 30, server_time_ms=1234))
    scan = Scan(server.fetch, first_page=first, total_is_whole=True)
    assert sum(map(len, scan.pages())) == 30
    assert len(server.requests) == scan.requests == 1
    assert scan.first_page.server_time_ms == 1234


def test_rows_inserted_before_the_page_cause_no_duplicates():
    """Rows that move down are recognised by their neighbours, and each resident comes once."""
    server = ModelList(250, order="-id")

    def fetch(offset, limit, window):
        if len(server.requests) == 1:
            for _ in range(40):
                server.insert()
        return server.fetch(offset, limit, window)

    before = ids(server)
    scan = Scan(fetch)
    got = [row["id"] for page in scan.pages() for row in page]
    assert got == before[::-1]
    assert scan.verdict.complete


@pytest.mark.parametrize("gone", [5, 40, 95, 240])
@pytest.mark.parametrize("total", [None, lambda n: n], ids=["no total", "total"])
def test_rows_deleted_before_the_page_make_the_scan_step_back(gone, total):
    """Rows that move up behind the next offset are found by stepping back (PROOF 5)."""
    server = ModelList(1000, total=total)
    at_the_start = ids(server)

    def fetch(offset, limit, window):
        if len(server.requests) == 3:
            for key in at_the_start[:gone]:
                server.rows.pop(key, None)
        return server.fetch(offset, limit, window)

    scan = Scan(fetch)
    got = [row["id"] for page in scan.pages() for row in page]
    assert got == at_the_start
    assert scan.verdict.complete


def test_an_error_past_the_end_of_the_list_ends_the_scan():
    """A validation error behind the end means that nothing is there."""
    server = ModelList(350, total=None)

    def fetch(offset, limit, window):
        if offset > len(server.rows):
            raise ValidationError("list_reservations: validation failed")
        return server.fetch(offset, limit, window)

    scan = Scan(fetch)
    assert sum(len(page) for page in scan.pages()) == 350
    assert scan.verdict.complete, scan.verdict


def test_a_refusal_inside_the_list_is_an_error():
    """Only a look behind the end may be refused: elsewhere the caller gets the error."""
    server = ModelList(350)

    def fetch(offset, limit, window):
        if offset > 100:
            raise ValidationError("list_reservations: validation failed")
        return server.fetch(offset, limit, window)

    scan = Scan(fetch)
    with pytest.raises(ValidationError):
        list(scan.pages())
    assert not scan.verdict.complete


@pytest.mark.parametrize("concurrency", [0, 1, 8])
def test_an_error_of_fetch_reaches_the_caller_after_the_rows_before_it(concurrency):
    """Nothing that was accepted before an error is lost, and nothing behind it is emitted."""
    server = ModelList(1000)

    def fetch(offset, limit, window):
        if offset >= 450:
            raise ConnectionError(offset)
        return server.fetch(offset, limit, window)

    got = []
    executor = ShuffledExecutor(1) if concurrency else None
    scan = Scan(fetch, executor=executor, concurrency=concurrency)
    with pytest.raises(ConnectionError):
        got.extend(row["id"] for page in scan.pages() for row in page)
    assert got == ids(server)[:460]
    assert not scan.verdict.complete


def test_an_abandoned_scan_leaves_no_request_behind():
    """Closing the iterator cancels what was fetched ahead, or waits for it."""
    server = ModelList(5000)
    with ThreadPoolExecutor(4) as executor:
        scan = Scan(server.fetch, executor=executor, concurrency=4)
        pages = scan.pages()
        next(pages)
        pages.close()
        made = len(server.requests)
        assert made == scan.requests <= 5
        assert executor.submit(lambda: len(server.requests)).result() == made
    assert not scan.verdict.complete


def test_huge_pages_are_read():
    """A server that ignores the limit sends 15,000 rows at a time; none is lost."""
    server = ModelList(60_000, total=None)
    scan = Scan(lambda offset, _, window: server.fetch(offset, 15_000, window))
    assert sum(map(len, scan.pages())) == 60_000
    assert scan.verdict.complete


def test_a_scan_measures_its_duration():
    """``seconds`` is 0 before the scan, grows with it, and stands still after it."""
    now_s = 0.0
    server = ModelList(250)

    def fetch(offset, limit, window):
        nonlocal now_s
        now_s += 2
        return server.fetch(offset, limit, window)

    scan = Scan(fetch, clock=lambda: now_s)
    assert scan.seconds == 0
    list(scan.pages())
    assert scan.seconds == 2 * scan.requests
    now_s += 100
    assert scan.seconds == 2 * scan.requests
