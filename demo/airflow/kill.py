"""Kills one shard in the middle of its load: rows are in the warehouse, the state has not moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from demo.airflow.comparison import SHARDED, bookmarks, states
from demo.airflow.processes import kill_group
from demo.airflow.project import DATABASE
from demo.postgres import query

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookio_sandbox.running import Sandbox


class Victim:
    """The first shard of a run whose rows begin to arrive in the warehouse."""

    def __init__(self, sandbox: Sandbox, port: int, shards: Mapping[str, list[int]]) -> None:
        """Take the facilities of each shard, before the run starts."""
        self._port, self._shards = port, shards
        self._states = states(port)
        [(self._before,)] = [query(port, "SELECT now()", DATABASE)]
        self._sandbox = sandbox
        self._requests_before = len(sandbox.requests())
        self.name = ""

    def kill_when_half_loaded(self) -> str:
        """Kill one shard, once; return what there was to see, or ``""``."""
        if self.name:
            return ""
        for process in psutil.Process().children(recursive=True):
            name = _shard_of(process)
            arrived = self._arrived(name) if name else 0
            if arrived:
                killed = kill_group(process.pid)
                self.name = name
                return self._account(arrived, killed)
        return ""

    def _arrived(self, name: str) -> int:
        ids = ", ".join(map(str, self._shards[name]))
        [count] = query(
            self._port,
            f"""SELECT count(*) FROM {SHARDED}.blocked_times
            WHERE "facilityId" IN ({ids}) AND _sdc_batched_at > '{self._before}'""",
            DATABASE,
        )
        return int(count)

    def _account(self, arrived: int, killed: list[str]) -> str:
        facilities = {str(key) for key in self._shards[self.name]}
        requests = self._sandbox.requests()[self._requests_before :]
        asked = {
            request["query"].get("facilityId")
            for request in requests
            if request["operation"] == "list_blocked_times"
        }
        state = bookmarks(states(self._port)[self.name])
        stood_still = state == bookmarks(self._states[self.name])
        return (
            f"kill -9 of {self.name}: {', '.join(sorted(set(killed)))}. {arrived} of its blocked "
            f"times had arrived, {len(asked & facilities)} of its {len(facilities)} facilities had "
            f"been asked for, its state {'had not moved' if stood_still else 'HAD MOVED'}"
        )


def _shard_of(process: psutil.Process) -> str:
    """Return the shard that a process of Meltano loads, or ``""``."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return ""
    if "el" not in words or "bash" in words[0]:
        return ""
    return next((w.partition("=")[2] for w in words if w.startswith("--state-id=shard-")), "")
