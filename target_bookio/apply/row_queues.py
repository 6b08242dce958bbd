"""The queues of a run: which record belongs to which row, and which rows can continue."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from target_bookio.apply.row_queue import RowQueue, RowState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from target_bookio.desired import Desired
    from target_bookio.journal.entry import Entry


class RowQueues:
    """Every queue that is not done. Changed only by the reconciler's thread."""

    def __init__(self) -> None:
        """Start empty."""
        self._live: dict[RowQueue, None] = {}
        """In the order of their first records."""
        self._by_name: dict[tuple[str, str], RowQueue] = {}
        """The queue of each name of a row, such as ``id:17``, by stream and name."""
        self._ready: OrderedDict[RowQueue, None] = OrderedDict()
        """Those whose first record can be planned, in order, each once."""

    def __iter__(self) -> Iterator[RowQueue]:
        """Iterate over a copy of the queues: the loop may end some, or begin others."""
        return iter(list(self._live))

    def __len__(self) -> int:
        """Return how many are not done."""
        return len(self._live)

    @property
    def has_ready(self) -> bool:
        """Whether a row can continue."""
        return bool(self._ready)

    def next_ready(self) -> RowQueue:
        """Remove and return the first row that can continue."""
        queue, _ = self._ready.popitem(last=False)
        return queue

    def enqueue(self, desired: Desired, names: Collection[str]) -> None:
        """Queue a record behind those of its row, which has all these names."""
        stream = desired.stream
        found = dict.fromkeys(self._by_name.get((stream, name)) for name in names)
        # 1. No queue has one of the names: the record begins a queue.
        # 2. One has: the record joins it.
        queues = [queue for queue in found if queue is not None] or [RowQueue(stream, names)]
        # 3. Several have, because this record is the first with both numbers of its row: they
        #    become one. One that waits for a response or a list remains, so that its wait is kept,
        #    and takes over the records of those that do not.
        queue, *others = sorted(queues, key=lambda queue: queue.state is RowState.READY)
        for other in others:
            if other.state in {RowState.READY, RowState.PARKED}:
                queue.absorb(other)
                self.drop(other)
        queue.add(desired, names)
        self._register(queue)
        # Rule 11: a later record shows that a parked one was history, so plan both.
        if queue.state in {RowState.READY, RowState.PARKED}:
            self.make_ready(queue)

    def inherit_doubt(self, entry: Entry, since_ms: int) -> None:
        """Begin a queue for a write that an earlier run left without an outcome."""
        queue = RowQueue(entry.stream, entry.names)
        queue.inherit_doubt(entry.key, since_ms)
        self._register(queue)

    def make_ready(self, queue: RowQueue) -> None:
        """Plan a row's first record from scratch."""
        queue.ready()
        self._ready[queue] = None

    def unpark(self) -> None:
        """Release records that waited for a later one: none can arrive any more (rule 11)."""
        for queue in self._live:
            if queue.state is RowState.PARKED:
                self.make_ready(queue)

    def drop(self, queue: RowQueue) -> None:
        """Forget a queue; its names may already belong to another one."""
        self._live.pop(queue, None)
        self._ready.pop(queue, None)
        for name in queue.names:
            if self._by_name.get((queue.stream, name)) is queue:
                del self._by_name[queue.stream, name]

    def drop_done(self) -> None:
        """Forget the queues in which nothing waits."""
        for queue in self:
            if queue.is_done:
                self.drop(queue)

    def _register(self, queue: RowQueue) -> None:
        self._live[queue] = None
        self._by_name.update(dict.fromkeys(((queue.stream, name) for name in queue.names), queue))
