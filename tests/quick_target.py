"""target-bookio in this process: it speaks real HTTP, and its pauses move the sandbox's clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from target_bookio.run import open_run
from target_bookio.target import TargetBookio
from tests.cli import Target

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from pathlib import Path

    from bookio_sandbox.running import Sandbox

R_S = 60
"""``resend_after_seconds`` of these runs, in the sandbox's time."""


class QuickTarget(Target):
    """Runs that never sleep: where a run would pause, the sandbox's clock is moved on."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        super().__init__(sandbox, folder)
        self.settings["resend_after_seconds"] = R_S
        self._events: list[tuple[float, Callable[[], object]]] = []
        self.paused_s = 0.0
        """How long the last run has paused."""

    def after_pause(self, seconds: float, event: Callable[[], object]) -> None:
        """Let something happen once the next run has paused for so many seconds."""
        self._events.append((seconds, event))

    def carry_out(
        self, *batches: list[dict[str, Any]], stream: str = "reservations", **settings: Any
    ) -> Counter[str]:
        """Carry out batches in one run; return the counts of its ``summary:`` line."""
        self.paused_s = 0.0
        target = TargetBookio(config={**self.settings, **settings}, parse_env_config=False)
        with open_run(target.config, pause=self._pause, monotonic=self._monotonic) as run:
            for records in batches:
                run.deliver(stream, records)
            run.finish()
        assert not self._events, "the run has paused for everything that was to happen"
        return run.report.counts

    def _monotonic(self) -> float:
        return time.monotonic() + self.paused_s

    def _pause(self, seconds: float) -> None:
        end = self.paused_s + seconds
        for event in sorted(self._events, key=lambda event: event[0]):
            at, happen = event
            if at <= end:
                self._move_on(at)
                self._events.remove(event)
                happen()
        self._move_on(end)

    def _move_on(self, until_s: float) -> None:
        self.sandbox.advance(seconds=max(0.0, until_s - self.paused_s))
        self.paused_s = max(self.paused_s, until_s)
