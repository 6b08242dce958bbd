"""The bookmark is the time of the request, by whichever clock is available."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from bookio_api.facilities import Facility
from bookio_api.localtime import OffsetClock, zone
from bookio_api.scan.pages import Page
from tap_bookio.bookmark import Filters
from tap_bookio.questions import Question

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def ask(executor: ThreadPoolExecutor) -> Question:
    return Question.put(None, executor, lambda: Page([]), filters=Filters(), bookmark_before=None)


FACILITY = Facility(1, OffsetClock(zone("Europe/Bratislava")))


def now_ms() -> int:
    return int(time.time() * 1000)


def test_without_a_date_header_the_bookmark_is_the_local_time_of_the_request(
    executor: ThreadPoolExecutor,
) -> None:
    question = ask(executor)
    question.page.result()
    answered = now_ms()
    while now_ms() <= answered:
        pass  # the scan goes on
    assert question.bookmark(None, FACILITY).question_ms <= answered - 1000


def test_the_bookmark_is_the_time_in_the_servers_date_header(executor: ThreadPoolExecutor) -> None:
    question = ask(executor)
    assert question.bookmark(1_789_538_400_000, FACILITY).question_ms == 1_789_538_399_000
