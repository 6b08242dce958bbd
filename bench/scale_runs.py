"""Real runs for the simulation: what a process costs, and how well the simulation foretells.

Every run is a tap-bookio process against a bookio-sandbox process on this machine.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from bench.simulation import Clinic, Costs, Part, Setting, simulate
from bookio_sandbox.running import in_process
from bookio_shards.assignment import assign

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from resource import struct_rusage

    from bookio_sandbox.running import Sandbox

BIN = Path(sys.executable).parent
PAGED = ("blocked_times", "reservations")
REPEATS = 3
PROBE = {"lastSync": "10000000000000", "limit": "99"}
"""A question that brings no row, and that no tap puts like this."""
BUSY_LOOP, WATCH_EVERY_S, POLL_EVERY_S = 500_000, 0.5, 0.05


class Done(NamedTuple):
    """What a run of tap-bookio left behind."""

    cpu_s: float
    mebibytes: float
    state: str


@dataclass(frozen=True)
class Vendor:
    """A sandbox, and a folder for the runs of its clinics."""

    sandbox: Sandbox
    folder: Path

    def run(self, name: str, state: str | None = None, **settings: Any) -> Done:
        """Run tap-bookio to its end."""
        config, states, output = (self.folder / f"{name}.{end}" for end in ("json", "state", "out"))
        own = {"auth_token": self.sandbox.token, "api_url": self.sandbox.url}
        config.write_text(json.dumps({**own, **settings}))
        command: list[str | Path] = [BIN / "tap-bookio", "--config", config]
        if state is not None:
            states.write_text(state)
            command += ["--state", states]
        with output.open("wb") as records:
            process = subprocess.Popen(command, stdout=records, stderr=subprocess.DEVNULL)
            status, usage, peak_kib = ended(process.pid)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"tap-bookio exited {process.returncode}")
        with output.open("rb") as records:
            last = [line for line in records if line.startswith(b'{"type":"STATE"')][-1]
        cpu_s = usage.ru_utime + usage.ru_stime
        return Done(cpu_s, peak_kib / 1024, json.dumps(json.loads(last)["value"]))

    def forget(self) -> None:
        """Count requests from here on."""
        self.sandbox.control("/requests", method="DELETE")

    def asked(self) -> int:
        """Return how many requests have come since then, but for those of a `Machine`."""
        return sum(each["query"].get("limit") != PROBE["limit"] for each in self.sandbox.requests())

    def clinics(self) -> dict[int, Clinic]:
        """Return how many rows each facility has."""
        rows = {
            stream: Counter(row["facilityId"] for row in self.sandbox.rows(stream))
            for stream in (*PAGED, "calendars")
        }
        return {
            key: Clinic(
                rows["reservations"][key], rows["blocked_times"][key], rows["calendars"][key]
            )
            for key in (row["id"] for row in self.sandbox.rows("facilities"))
        }


def ended(pid: int) -> tuple[int, struct_rusage, int]:
    """Wait for a process, and return its status, its usage and its peak memory in KiB.

    The peak in its usage would be ours, if ours is higher: a child begins with its parent's memory.
    """
    peak_kib = 0
    while True:
        with suppress(OSError, TypeError):  # it has just ended
            found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
            peak_kib = int(found[1]) if found else peak_kib
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            return status, usage, peak_kib
        time.sleep(POLL_EVERY_S)


@contextmanager
def vendor(clinics: int, reservations: int, latency_ms: float = 0) -> Iterator[Vendor]:
    """Run a sandbox with so many clinics."""
    size = ("--facilities", str(clinics), "--size", str(reservations))
    with (
        in_process(*size, f"--latency-ms={latency_ms}") as sandbox,
        tempfile.TemporaryDirectory() as folder,
    ):
        yield Vendor(sandbox, Path(folder))


def measure() -> str:
    """Return what ``scale.py`` takes for granted, as lines to put there.

    1. A run of one clinic without news is the start; 2. of many clinics, a question about a list.
    3. A first load in pages of 25 rows instead of 100 shows what a further page costs, 4. and what
    remains is that of the rows.
    """
    few, many, lists = 1, 1_600, 3
    with vendor(few, 0) as place:
        start = cpu_of(place, place.run("first").state)
    with vendor(many, 0) as place:
        quiet = cpu_of(place, place.run("first").state)
        [first, *_] = place.clinics()
        alone = place.run("alone", facility_ids=[first])
        states = len(quiet.state) / many
        listed = place.sandbox.ask("list_facilities").result["data"]["facilities"]
        row_bytes = len(json.dumps(listed, ensure_ascii=False).encode()) / many
    question_s = (quiet.cpu_s - start.cpu_s) / (lists * (many - few))
    start_s = start.cpu_s - lists * question_s
    with vendor(10, 40_000) as place:
        runs, requests = [], []
        for size in (25, 100):
            place.forget()
            runs.append(cpu_of(place, page_size=size))
            requests.append(place.asked() / REPEATS)
        page_s = (runs[0].cpu_s - runs[1].cpu_s) / (requests[0] - requests[1])
        asked = lists * 10
        rows = sum(c.reservations + c.blocked_times for c in place.clinics().values())
        others_s = start_s + asked * question_s + (requests[1] - asked) * page_s
        row_s = (runs[1].cpu_s - others_s) / rows
        journal = journal_bytes(place) / rows
    listed_mib = (alone.mebibytes - start.mebibytes) / (many - few)
    clinic_mib = (quiet.mebibytes - alone.mebibytes) / (many - few)
    return (
        f"COSTS = Costs(start_s={start_s:.2f}, question_s={question_s:.4f}, "
        f"page_s={page_s:.5f}, row_s={row_s:.7f})\n"
        f"PROCESS_MIB, LISTED_MIB, CLINIC_MIB = {start.mebibytes:.0f}, {listed_mib:.3f}, "
        f"{clinic_mib:.3f}\n"
        f"STATE_BYTES = {states:.0f}\nJOURNAL_BYTES = {journal:.0f}\n"
        f"FACILITY_BYTES = {row_bytes:.0f}"
    )


def cpu_of(place: Vendor, state: str | None = None, **settings: Any) -> Done:
    """Run a few times, and return the run of the median CPU time."""
    runs = sorted(place.run("run", state, **settings) for _ in range(REPEATS))
    return runs[REPEATS // 2]


def journal_bytes(place: Vendor) -> int:
    """Return how large a journal is once target-bookio has mirrored all reservations."""
    journal = place.folder / "journal.sqlite3"
    config, stream = place.folder / "target.json", place.folder / "stream.jsonl"
    settings = {"auth_token": place.sandbox.token, "api_url": place.sandbox.url}
    config.write_text(
        json.dumps({**settings, "journal_path": str(journal), "on_overlap": "ignore"})
    )
    [row, *_] = place.sandbox.rows("reservations")
    record = {"id": row["id"], "facilityId": row["facilityId"], "status": row["status"]}
    schema = {"properties": {"id": {"type": "integer"}}}
    messages = [
        {"type": "SCHEMA", "stream": "reservations", "schema": schema, "key_properties": ["id"]},
        {"type": "RECORD", "stream": "reservations", "record": record},
    ]
    stream.write_text("".join(json.dumps(message) + "\n" for message in messages))
    command = [BIN / "target-bookio", "--config", config, "--input", stream]
    subprocess.run(command, check=True, capture_output=True, cwd=place.folder)
    return journal.stat().st_size


class Machine:
    """Watches during a run how much longer work and answers take, for others work here, too."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        # Appended to by the thread, and read once it has ended.
        self._stretches: list[float] = []
        self._round_trips_s: list[float] = []

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, so that the figures can be read."""
        self._stopped.set()
        self._thread.join()

    @property
    def stretch(self) -> float:
        """How much longer than its CPU time work took."""
        return mean(self._stretches)

    @property
    def round_trip_s(self) -> float:
        """How long the sandbox took to answer, its latency included."""
        return mean(self._round_trips_s)

    def _watch(self) -> None:
        while not self._stopped.wait(WATCH_EVERY_S):
            started, used = time.monotonic(), time.thread_time()
            sum(range(BUSY_LOOP))
            self._stretches.append((time.monotonic() - started) / (time.thread_time() - used))
            started = time.monotonic()
            self._sandbox.ask("list_reservations", query=PROBE)
            self._round_trips_s.append(time.monotonic() - started)


CASES = {
    "first load, 20 requests per second": Setting(2, 0.1, 20.0, cores=2, is_first_load=True),
    "quiet hour, 8 requests per second": Setting(2, 0.1, 8.0, cores=2),
    "quiet hour, 400 ms and no limit": Setting(2, 0.4, None, cores=2),
}
CLINICS, RESERVATIONS, SHARDS = 120, 6_000, 4


def check(costs: Costs) -> str:
    """Return a table of real runs of 4 shards in 2 slots, and of what the simulation says."""
    when = (
        f"{datetime.now(UTC):%Y-%m-%d}: Python {platform.python_version()}, {os.cpu_count()} CPUs"
    )
    lines = [f"`python -m bench.scale --check` on {when}:", ""]
    lines += ["| run | requests | simulated | seconds | simulated | error |", "|---|" + "---:|" * 5]
    for name, setting in CASES.items():
        latency_ms = 1000 * setting.latency_s
        with vendor(CLINICS, RESERVATIONS, latency_ms) as place:
            shards = [ids for ids in assign(place.clinics(), SHARDS).values() if ids]
            states: list[str | None] = [None] * len(shards)
            if not setting.is_first_load:
                place.sandbox.behave(latency_ms=0)
                run_shards(place, shards, states, replace(setting, requests_per_second=None))
                place.sandbox.control("/clock", {"advance_seconds": 3600})
                states = run_shards(
                    place, shards, states, replace(setting, requests_per_second=None)
                )
                place.sandbox.control("/clock", {"advance_seconds": 3600})
                place.sandbox.behave(latency_ms=latency_ms)
            place.forget()
            started = time.monotonic()
            with Machine(place.sandbox) as seen:
                run_shards(place, shards, states, setting)
                seconds = time.monotonic() - started
            requests = place.asked()
            simulated = simulate(
                [Part(brought(place, ids, setting)) for ids in shards],
                replace(setting, latency_s=seen.round_trip_s),
                Costs(*(seen.stretch * cost for cost in costs)),
            )
        error = (simulated.seconds - seconds) / seconds
        lines.append(
            f"| {name} | {requests} | {simulated.requests} | {seconds:.1f} "
            f"| {simulated.seconds:.1f} | {error:+.1%} |"
        )
    return "\n".join(lines)


def brought(place: Vendor, ids: Sequence[int], setting: Setting) -> list[Clinic]:
    """Return what a run brings of these clinics, in the order in which Bookio lists them."""
    clinics = place.clinics()
    rows = [clinic for key, clinic in clinics.items() if key in ids]
    return rows if setting.is_first_load else [Clinic(0, 0, row.calendars) for row in rows]


def run_shards(
    place: Vendor, shards: list[list[int]], states: list[str | None], setting: Setting
) -> list[str | None]:
    """Run a process for each shard, as many at once as there are slots; return their states."""
    share = setting.requests_per_second and setting.requests_per_second / setting.slots
    pace = {"requests_per_second": share} if share else {}

    def run(number: int) -> str:
        ids = shards[number]
        return place.run(str(number), states[number], facility_ids=ids, **pace).state

    with ThreadPoolExecutor(setting.slots) as slots:
        return list(slots.map(run, range(len(shards))))
