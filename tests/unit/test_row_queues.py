"""Which record belongs to which row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_bookio.apply.row_queues import RowQueues
from target_bookio.record_reader import read_record

if TYPE_CHECKING:
    from target_bookio.desired import Desired


def record(**values: Any) -> Desired:
    return read_record("reservations", values)


def enqueue(queues: RowQueues, *records: Desired) -> None:
    for desired in records:
        queues.enqueue(desired, desired.names)


def test_a_record_with_both_numbers_joins_the_queues_of_either() -> None:
    """Records under both numbers of a row keep their order, in one queue."""
    queues = RowQueues()
    enqueue(queues, record(id=5), record(externalId=8), record(id=5, externalId=8))
    [queue] = queues
    assert [(r.id, r.external_id) for r in queue.waiting] == [(5, None), (None, 8), (5, 8)]
    assert queues.next_ready() is queue
    assert not queues.has_ready


def test_a_joined_row_keeps_both_names() -> None:
    """A later record under either number waits behind the row's write, though queues joined."""
    queues = RowQueues()
    enqueue(queues, record(id=5), record(externalId=8), record(id=5, externalId=8))
    queue = queues.next_ready()
    queue.doubt(0)
    queues.drop_done()
    enqueue(queues, record(externalId=8), record(id=5))
    assert list(queues) == [queue]
    assert not queues.has_ready


def test_different_rows_have_separate_queues_in_order() -> None:
    """Control: records of other rows share nothing."""
    queues = RowQueues()
    enqueue(queues, record(id=1), record(id=2), record(id=1))
    assert [queues.next_ready().current.id for _ in queues] == [1, 2]
    assert not queues.has_ready
