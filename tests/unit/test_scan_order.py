"""Lists whose order is not stable: noticed, and read through date windows."""

from __future__ import annotations

import pytest

from bookio_api.scan import Scan
from bookio_api.scan.pages import Page
from tests.model_list import DATE_FILTERS, ModelList, ids, read


@pytest.mark.parametrize("order", ["random", "dateFrom ties"])
@pytest.mark.parametrize("total", [None, lambda n: n], ids=["no total", "total"])
@pytest.mark.parametrize("ends", [(True, True), (True, False), (False, True), (False, False)])
def test_an_unstable_order_is_read_through_date_windows(order, total, ends):
    """Every row comes and the scan is COMPLETE, whether the filters include their ends or not."""
    days = 500 if order == "random" else 40
    server = ModelList(
        600, order=order, days=days, total=total, from_inclusive=ends[0], to_inclusive=ends[1]
    )
    got, scan = read(server)
    assert set(got) == set(ids(server))
    assert scan.verdict.complete, scan.verdict
    assert any(window for _, _, window in server.requests)


def test_windows_stay_within_the_range_asked_for():
    """Date filters from the settings bound every window."""
    server = ModelList(2000, order="random")
    asked = {"from": "2024-02-01", "to": "2024-08-31"}
    wanted = {row["id"] for row in server.listed(asked)}
    got, scan = read(server, window=asked)
    assert set(got) == wanted
    assert scan.verdict.complete
    assert all(asked["from"] <= w["from"] <= w["to"] <= asked["to"] for *_, w in server.requests)


def test_an_unstable_order_without_date_filters_is_incomplete():
    """Every row that came is emitted, and the reason says what is wrong."""
    server = ModelList(600, order="random")
    came = set()

    def fetch(offset, limit, window):
        page = server.fetch(offset, limit, window)
        came.update(row["id"] for row in page.rows)
        return page

    scan = Scan(fetch, date_filters=None)
    assert {row["id"] for page in scan.pages() for row in page} == came
    assert "order of the list is not stable" in scan.verdict.reason


@pytest.mark.parametrize("total", [None, lambda n: n], ids=["no total", "total"])
@pytest.mark.parametrize("page_size", [4, 5, 6, 8, 12])
def test_short_pages_do_not_hide_a_shuffled_order(page_size, total):
    """PROOF 6: few anchors keep their sequence by chance, so the first page is read again."""
    for seed in range(150):
        server = ModelList(page_size + 3, order="random", total=total, seed=seed)
        got, scan = read(server, page_size=page_size, date_filters=None)
        assert set(got) == set(ids(server)) or not scan.verdict.complete, f"seed {seed}"


def test_rows_of_one_date_in_random_order_are_not_anchors():
    """An order by date alone leaves rows of one day shuffled: all come, or the scan says so."""
    for seed in range(150):
        server = ModelList(60, order="dateFrom ties", days=1, total=None, seed=seed)
        got, scan = read(server, page_size=12, date_filters=None)
        assert set(got) == set(ids(server)) or not scan.verdict.complete, f"seed {seed}"


def test_a_shuffled_row_after_the_first_page_is_not_missed():
    """A row that changes places with one of the first page is found, or the scan says so."""
    rows = [{"id": key, "dateFrom": f"2024-01-0{key}"} for key in range(1, 6)]
    answers = iter([rows[:4], [rows[2], rows[3], rows[0]]])
    scan = Scan(
        lambda offset, limit, _: Page(next(answers, rows[1:][offset : offset + limit]), 5),
        page_size=4,
        date_filters=None,
    )
    got = {row["id"] for page in scan.pages() for row in page}
    assert got == {1, 2, 3, 4, 5} or not scan.verdict.complete


def test_a_scan_whose_filters_are_ignored_is_incomplete():
    """Rows outside their window reveal it."""
    server = ModelList(600, order="random")
    scan = Scan(lambda offset, limit, _: server.fetch(offset, limit, {}), date_filters=DATE_FILTERS)
    assert sum(map(len, scan.pages())) > 0
    assert "ignores the filters from and to" in scan.verdict.reason


def test_a_day_with_more_rows_than_one_response_is_incomplete():
    """A window of one day cannot be narrowed."""
    scan = read(ModelList(600, order="random", days=3))[1]
    assert "holds more rows than one response" in scan.verdict.reason


@pytest.mark.parametrize("undated_at", [0, 1], ids=["read by offset", "read by date"])
def test_a_scan_with_undated_rows_is_incomplete(undated_at):
    """No bounded window contains them, wherever they were seen."""
    server = ModelList(300, order="random")

    def mangle(rows, *_):
        if len(server.requests) > 1 and undated_at == 0:
            return rows
        by_date = bool(server.requests[-1][2])
        return [{"id": 0, "dateFrom": None}, *rows[1:]] if by_date == undated_at else rows

    server.mangle = mangle
    assert "some rows have no dateFrom" in read(server)[1].verdict.reason


@pytest.mark.parametrize("window", [{"to": "9999-12-31"}, {"from": "0001-01-01"}])
def test_the_first_and_last_possible_day_bound_a_window(window):
    """Filters may name any day that there is."""
    server = ModelList(600, order="random")
    got, scan = read(server, window=window)
    assert set(got) == set(ids(server))
    assert scan.verdict.complete, scan.verdict.reason
