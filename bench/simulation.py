"""Simulates shards of tap-bookio: when each request starts, waits and is worked on.

A discrete-event simulation: jobs are generators that yield what they wait for, and the clock jumps
from one event to the next. There is no randomness here; the clinics are made with a seed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from heapq import heappop, heappush
from itertools import count
from typing import Any, NamedTuple

from bookio_api.contract import MAX_PAGE_SIZE
from bookio_api.scan import Scan
from bookio_api.scan.pages import Page

Job = Generator[Any, None, None]
"""Yields seconds to sleep, a `Task` to wait for, or `Seats` to take one of."""
Waves = tuple[tuple[int, ...], ...]
"""The requests of one scan, by the rows they bring: one wave is sent once the last one came."""


class Task:
    """A job that was started."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.is_done = False
        self.waiting: list[Task] = []


class Clock:
    """Runs jobs, and knows the time in simulated seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Task]] = []
        self._order = count()

    def start(self, job: Job) -> Task:
        task = Task(job)
        self.wake(task)
        return task

    def wake(self, task: Task, after_s: float = 0.0) -> None:
        heappush(self._due, (self.now + after_s, next(self._order), task))

    def run(self) -> float:
        """Run until nothing is left to do, and return the time."""
        while self._due:
            self.now, _, task = heappop(self._due)
            self._step(task)
        return self.now

    def _step(self, task: Task) -> None:
        try:
            wanted = next(task.job)
        except StopIteration:
            task.is_done = True
            for other in task.waiting:
                self.wake(other)
            return
        if isinstance(wanted, Seats):
            wanted.take(task)
        elif not isinstance(wanted, Task):
            self.wake(task, wanted)
        elif wanted.is_done:
            self.wake(task)
        else:
            wanted.waiting.append(task)


class Seats:
    """What only so many jobs can have at once; the longest wait is served next."""

    def __init__(self, clock: Clock, number: int) -> None:
        self._clock, self._free = clock, number
        self._queue: deque[Task] = deque()

    def take(self, task: Task) -> None:
        if self._free:
            self._free -= 1
            self._clock.wake(task)
        else:
            self._queue.append(task)

    def leave(self) -> None:
        if self._queue:
            self._clock.wake(self._queue.popleft())
        else:
            self._free += 1


class Costs(NamedTuple):
    """What one tap process costs, in seconds of CPU; see ``scale.py --measure``."""

    start_s: float
    question_s: float
    """The first request for a list of one clinic, with its scan, bookmark and share of STATE."""
    page_s: float
    """Each further request of a scan."""
    row_s: float


class Clinic(NamedTuple):
    """What one facility's lists bring in one run."""

    reservations: int
    blocked_times: int
    calendars: int


class Part(NamedTuple):
    """What one process reads: the lists of some clinics."""

    clinics: Sequence[Clinic]
    reads_calendars: bool = True
    reads_changes: bool = True
    """Whether it reads reservations and blocked times."""


@dataclass(frozen=True)
class Setting:
    """How the shards are run."""

    slots: int
    """How many shards are read at once."""
    latency_s: float
    requests_per_second: float | None = None
    """Of all slots together; each process gets its share."""
    max_concurrency: int = 4
    cores: int = 4
    is_first_load: bool = False


@dataclass
class Result:
    """What a simulation came to."""

    seconds: float = 0.0
    requests: int = 0
    rows: int = 0


@cache
def waves(rows: int, *, is_full: bool, is_total_known: bool = True) -> Waves:
    """Return the requests of one scan, made by the product's own ``Scan`` over a calm list.

    ``is_total_known`` says whether an earlier scan of the run has shown that totals count the list.
    """
    listed = [{"id": key, "dateFrom": "2027-01-01T08:00:00"} for key in range(rows)]
    pages: list[tuple[int, int]] = []

    def fetch(offset: int, limit: int, _: object) -> Page:
        found = listed[offset : offset + limit]
        pages.append((offset, len(found)))
        return Page(found, rows)

    scan = Scan(
        fetch,
        page_size=MAX_PAGE_SIZE,
        trust_total=not is_full,
        total_is_whole=is_total_known,
    )
    read = sum(map(len, scan.pages()))
    assert scan.verdict.complete, scan.verdict.reason
    assert read == rows, "a calm list is read once"
    # 1. The first page says how many there are.
    first, *others = pages
    # 2. Those that follow are fetched ahead, 3. then two behind the end at once.
    following = tuple(found for offset, found in others if offset and found)
    behind = tuple(found for offset, found in others if offset and not found)
    # 4. A short list may be read again, to see whether its order holds.
    again = [(found,) for offset, found in others if not offset]
    return ((first[1],), *filter(None, (following, behind)), *again)


def waves_of_a_run(rows: Sequence[int], *, is_full: bool) -> list[Waves]:
    """Return the requests of a run's scans of one list, one clinic after another."""
    run, is_total_known = [], False
    for each in rows:
        run.append(waves(each, is_full=is_full, is_total_known=is_total_known))
        is_total_known = is_total_known or each > 0
    return run


class TapProcess:
    """One run of tap-bookio over the clinics of a shard."""

    def __init__(
        self, clock: Clock, setting: Setting, costs: Costs, part: Part, cores: Seats
    ) -> None:
        self._clock, self._setting, self._costs, self._part = clock, setting, costs, part
        self._cores = cores
        self._threads = Seats(clock, setting.max_concurrency)
        self._interpreter = Seats(clock, 1)
        per_second = (setting.requests_per_second or 0) / setting.slots
        self._interval_s = 1 / per_second if per_second else 0.0
        self._next_start = 0.0
        self.requests = 0
        self.rows = 0

    def job(self) -> Job:
        """Read the streams by the order of their names; facilities were asked for before."""
        full, clinics = self._setting.is_first_load, self._part.clinics
        yield from self._work(self._costs.start_s)
        yield from self._request(0, self._costs.question_s)
        if self._part.reads_changes:
            yield from self._read(
                waves_of_a_run([each.blocked_times for each in clinics], is_full=full)
            )
        if self._part.reads_calendars:
            yield from [self._ask(each.calendars) for each in clinics]
        if self._part.reads_changes:
            yield from self._read(
                waves_of_a_run([each.reservations for each in clinics], is_full=full)
            )

    def _read(self, scans: Sequence[Waves]) -> Job:
        """Scan one facility after another, and ask ahead about the next ones."""
        asked: dict[int, Task] = {}
        for here, scan in enumerate(scans):
            for near in range(here, min(here + self._setting.max_concurrency, len(scans))):
                if near not in asked:
                    asked[near] = self._ask(scans[near][0][0])
            yield asked[here]
            for wave in scan[1:]:
                pages = [self._fetch(rows, self._costs.page_s) for rows in wave]
                yield from [self._clock.start(page) for page in pages]

    def _ask(self, rows: int) -> Task:
        """Start the first request for a list."""
        return self._clock.start(self._fetch(rows, self._costs.question_s))

    def _fetch(self, rows: int, cost_s: float) -> Job:
        """Make one request on one of the threads."""
        yield self._threads
        yield from self._request(rows, cost_s)
        self._threads.leave()

    def _request(self, rows: int, cost_s: float) -> Job:
        self.requests += 1
        self.rows += rows
        start = max(self._clock.now, self._next_start)
        self._next_start = start + self._interval_s
        yield start - self._clock.now + self._setting.latency_s
        yield from self._work(cost_s + rows * self._costs.row_s)

    def _work(self, seconds: float) -> Job:
        """Use the CPU: one thread of a process at a time, and no more than there are cores."""
        yield self._interpreter
        yield self._cores
        yield seconds
        self._cores.leave()
        self._interpreter.leave()


def simulate(parts: Iterable[Part], setting: Setting, costs: Costs) -> Result:
    """Run a process for every part that has clinics, as many at once as there are slots."""
    clock, result = Clock(), Result()
    slots, cores = Seats(clock, setting.slots), Seats(clock, setting.cores)

    def run(part: Part) -> Job:
        yield slots
        process = TapProcess(clock, setting, costs, part, cores)
        yield clock.start(process.job())
        slots.leave()
        result.requests += process.requests
        result.rows += process.rows

    for part in parts:
        if part.clinics:
            clock.start(run(part))
    result.seconds = clock.run()
    return result
