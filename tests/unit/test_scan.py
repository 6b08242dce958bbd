"""The scan against servers in memory: calm, drifting and hostile ones, all of a stable order."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import pytest

from bookio_api.errors import ValidationError
from bookio_api.scan import Scan
from bookio_api.scan.pages import Page
from tests.model_list import ModelList, ShuffledExecutor, ids, read


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 10, 11, 99, 100, 101, 190, 191, 1000])
@pytest.mark.parametrize("total", [None, lambda n: n], ids=["no total", "total"])
@pytest.mark.parametrize("page_size", [1, 2, 3, 4, 7, 20, 100, 500])
def test_a_calm_list_leaves_once_and_in_order(size, total, page_size):
    server = ModelList(size, total=total)
    got, scan = read(server, page_size=page_size)
    assert got == ids(server)
    assert scan.verdict.complete, scan.verdict
    assert scan.rows == size
    assert max(limit for _, limit, _ in server.requests) <= 100


@pytest.mark.parametrize("size", [0, 1, 2, 37, 99])
def test_a_list_that_fits_one_response_costs_one_request(size):
    assert read(ModelList(size))[1].requests == 1


def test_without_a_total_three_more_requests_confirm_the_end():
    server = ModelList(37, total=None)
    assert read(server)[1].requests == 4
    assert [offset for offset, _, _ in server.requests] == [0, 27, 37, 74]


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
    server = ModelList(500, page_cap=page_cap, total=total)
    server.mangle = lambda rows, offset, _: rows[: cuts.get(offset, 100)]
    got, scan = read(server)
    assert got == ids(server)
    assert scan.verdict.complete, scan.verdict


@pytest.mark.parametrize(
    "total", [None, lambda n: n, lambda n: n + 130], ids=["no", "shown", "all"]
)
@pytest.mark.parametrize("filters", [("from", "to"), None])
def test_rows_that_are_filtered_after_paging_do_not_end_the_list(total, filters):
    """130 of 500 rows in a row are hidden: no page joins what is before to what is behind."""
    everything = ModelList(500, seed=3)
    hidden = ids(everything)[200:330]
    scan = Scan(ModelList(500, seed=3, total=total, hidden=hidden).fetch, date_filters=filters)
    got = [row["id"] for page in scan.pages() for row in page]
    assert set(got) == set(ids(everything)) - set(hidden) or not scan.verdict.complete


def test_a_server_that_refuses_to_look_behind_the_end_has_an_end():
    server = ModelList(350, total=None)

    def fetch(offset, limit, window):
        if offset > len(server.rows):
            raise ValidationError("list_reservations: validation failed")
        return server.fetch(offset, limit, window)

    scan = Scan(fetch)
    assert sum(len(page) for page in scan.pages()) == 350
    assert scan.verdict.complete, scan.verdict


@pytest.mark.parametrize("beyond", [slice(-10, None), slice(0, 10)], ids=["last", "first"])
def test_a_server_that_sends_its_last_or_first_rows_behind_the_end_has_an_end(beyond):
    server = ModelList(350, total=None)
    everything = list(server.rows.values())
    server.mangle = lambda rows, *_: rows or everything[beyond]
    got, scan = read(server)
    assert got == ids(server)
    assert scan.verdict.complete, scan.verdict


def test_the_overlap_costs_a_ninth_of_the_requests():
    assert read(ModelList(9_000))[1].requests == 100


@pytest.mark.parametrize("total", [None, lambda n: n], ids=["no total", "total"])
@pytest.mark.parametrize("page_cap", [None, 50, 7])
@pytest.mark.parametrize("size", [150, 1005])
def test_the_same_rows_whatever_the_concurrency(total, page_cap, size):
    server = ModelList(size, total=total, page_cap=page_cap)
    with ThreadPoolExecutor(8) as executor:
        for concurrency in (1, 2, 4, 8):
            got, scan = read(server, executor=executor, concurrency=concurrency)
            assert got == ids(server)
            assert scan.verdict.complete


def test_the_total_bounds_what_is_fetched_ahead():
    server = ModelList(1005)
    alone = read(server)[1].requests
    with ThreadPoolExecutor(8) as executor:
        assert read(server, executor=executor, concurrency=8)[1].requests == alone


def test_a_page_cap_is_learned():
    server = ModelList(1000, page_cap=50)
    assert read(server)[1].requests <= 27
    assert read(server)[0] == ids(server)


@pytest.mark.parametrize("total", [lambda _: 50, lambda n: n, None], ids=["page", "list", "none"])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_an_end_is_confirmed_behind_it_where_the_total_is_not_trusted(total, concurrency):
    """A total that counts the page alone would end the list with the first, capped page."""
    server = ModelList(500, page_cap=50, total=total)
    with ThreadPoolExecutor(4) as executor:
        options = {"executor": executor, "concurrency": concurrency, "trust_total": False}
        got, scan = read(server, **options)
    assert got == ids(server)
    assert scan.verdict.complete, scan.verdict


def test_a_total_that_is_not_trusted_costs_two_requests():
    assert read(ModelList(30), trust_total=False)[1].requests == 3
    assert read(ModelList(0), trust_total=False)[1].requests == 2


def test_rows_of_one_moment_and_without_dates_are_read_without_a_total():
    for row in ({"dateFrom": "2024-05-01T08:00:00"}, {}):
        rows = [{"id": key, **row} for key in range(5)]
        scan = Scan(lambda offset, limit, _, rows=rows: Page(rows[offset : offset + limit]))
        assert [row for page in scan.pages() for row in page] == rows
        assert scan.verdict.complete, scan.verdict


def test_a_first_page_on_its_way_is_used():
    server = ModelList(30)
    first: Future[Page] = Future()
    first.set_result(Page(server.fetch(0, 100, {}).rows, 30, server_time_ms=1234))
    scan = Scan(server.fetch, first_page=first)
    assert sum(map(len, scan.pages())) == 30
    assert len(server.requests) == scan.requests == 1
    assert scan.first_page.server_time_ms == 1234


@pytest.mark.parametrize("total", [7, "30", "many", -1, True, 1000])
def test_a_wrong_total_loses_no_row(total):
    server = ModelList(300, total=lambda _: total)
    got, scan = read(server)
    assert got == ids(server)
    assert scan.verdict.complete is (total != 1000)


def test_a_total_that_cannot_be_paged_to_is_incomplete():
    scan = read(ModelList(250, total=lambda n: n + 50))[1]
    assert scan.verdict.reason == "the server says total 300, but only 250 rows can be paged to"


def test_inserts_before_the_page_are_stepped_over():
    server = ModelList(250, order="-id")

    def fetch(offset, limit, window):
        if len(server.requests) == 1:
            for _ in range(40):
                server._insert()
        return server.fetch(offset, limit, window)

    before = ids(server)
    scan = Scan(fetch)
    got = [row["id"] for page in scan.pages() for row in page]
    assert got == before[::-1]
    assert scan.verdict.complete


@pytest.mark.parametrize("gone", [5, 40, 95, 240])
@pytest.mark.parametrize("total", [None, lambda n: n], ids=["no total", "total"])
def test_deletes_before_the_page_make_it_step_back(gone, total):
    server = ModelList(1000, total=total)
    plain = [row["id"] for row in server.fetch(0, 1000, {}).rows]
    server.requests.clear()

    def fetch(offset, limit, window):
        if len(server.requests) == 3:
            for key in plain[:gone]:
                server.rows.pop(key, None)
        return server.fetch(offset, limit, window)

    scan = Scan(fetch)
    got = [row["id"] for page in scan.pages() for row in page]
    assert got == plain
    assert scan.verdict.complete


def test_an_ignored_offset_is_noticed():
    everything = ModelList(300, total=None)
    for size in (20, 100):
        scan = Scan(lambda _, __, w, size=size: Page(everything.fetch(0, size, w).rows))
        assert sum(map(len, scan.pages())) == size
        assert "ignores the offset" in scan.verdict.reason


def test_an_ignored_limit_is_harmless():
    server = ModelList(1000)
    scan = Scan(lambda _, __, window: server.fetch(0, 1000, window)._replace(total=1000))
    assert [row["id"] for page in scan.pages() for row in page] == ids(server)
    assert scan.verdict.complete


def once(change):
    """Mangle the third response only."""
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
def test_a_short_page_inside_the_list_loses_no_row(change, total):
    server = ModelList(700, total=total, mangle=once(change))
    got, scan = read(server)
    assert got == ids(server)
    assert scan.verdict.complete, scan.verdict


def test_a_page_that_once_left_rows_out_is_incomplete():
    got, scan = read(ModelList(700, mangle=once(lambda rows: rows[:50] + rows[57:])))
    assert len(got) == 693
    assert scan.verdict.reason == "the server says total 700, but only 693 different rows came"


def test_pages_that_leave_rows_out_are_incomplete():
    def leave_out(rows, *_):
        return [row for row in rows if row["id"] % 7]

    got, scan = read(ModelList(700, mangle=leave_out))
    assert not scan.verdict.complete
    assert len(got) > 500


def test_pages_of_two_rows_cannot_be_verified():
    got, scan = read(ModelList(50, page_cap=2))
    assert scan.verdict.reason == "the server's pages hold 2 rows; 3 are needed to verify them"
    assert got


@pytest.mark.parametrize("page_cap", [None, 37])
def test_a_list_that_starts_over_is_noticed(page_cap):
    rows = [{"id": key, "dateFrom": f"2024-01-{key % 28 + 1:02}"} for key in range(250)]

    def fetch(offset, limit, _):
        limit = min(limit, page_cap or limit)
        return Page([rows[at % 250] for at in range(offset, offset + limit)])

    scan = Scan(fetch)
    got = {row["id"] for page in scan.pages() for row in page}
    assert got == set(range(250))
    assert scan.verdict.reason == "the list starts over after its end"


def test_a_list_that_changes_entirely_ends_in_bounded_requests():
    keys = iter(range(10**9))

    def fetch(_, limit, __):
        return Page([{"id": key, "dateFrom": "2024-01-01"} for key in islice(keys, limit)])

    scan = Scan(fetch, date_filters=None)
    assert sum(map(len, scan.pages())) > 0
    assert "share no rows" in scan.verdict.reason
    assert scan.requests < 60


def test_a_list_that_outgrows_its_reader_ends_in_bounded_requests():
    server = ModelList(400, order="modified", rate=40, total=None, page_cap=20)
    scan = read(server, date_filters=None)[1]
    assert "no end in sight" in scan.verdict.reason
    assert set(scan.first_page._fields) == {"rows", "total", "server_time_ms"}


@pytest.mark.parametrize("concurrency", [0, 1, 8])
def test_an_error_of_fetch_reaches_the_caller_after_the_rows_before_it(concurrency):
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


def test_the_memory_of_huge_pages_is_bounded():
    server = ModelList(60_000, total=None)
    scan = Scan(lambda offset, _, window: server.fetch(offset, 15_000, window))
    assert sum(map(len, scan.pages())) == 60_000
    assert sum(map(len, scan._recent._pages)) <= 20_000
    assert scan.verdict.complete


@pytest.mark.parametrize("total", [10**9, -421905123456, 421905123456])
def test_a_number_that_counts_no_rows_is_not_told(total):
    reason = read(ModelList(250, total=lambda _: total))[1].verdict.reason
    assert str(total) not in reason
    assert "beyond belief" in reason or total < 0
