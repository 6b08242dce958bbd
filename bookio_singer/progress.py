"""A progress line on a terminal; anywhere else, nothing.

rich is imported when the line first appears, so that a run without it starts no later.
"""

from __future__ import annotations

import logging
import os
import stat
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

SCHEDULER_PREFIX = "MELTANO_"
REFRESHES_PER_SECOND = 4


def is_for_a_person(stdout: TextIO, stderr: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether this runs on a terminal, and not in CI, in Meltano or in a pipe."""
    if not stderr.isatty() or environment.get("CI"):
        return False
    if any(name.startswith(SCHEDULER_PREFIX) for name in environment):
        return False
    try:
        return not stat.S_ISFIFO(os.fstat(stdout.fileno()).st_mode)
    except (OSError, ValueError):  # a stream that is not a file
        return False


class Progress:
    """The line of one run; it is used by one thread, and rich redraws it from another."""

    def __init__(self, *, is_visible: bool) -> None:
        """Show nothing yet."""
        self._is_visible = is_visible
        self._line: _Line | None = None

    def show(self, name: str, rows: int, total: int | None = None) -> None:
        """Show the rows so far under this name, and the expected number if known."""
        if not self._is_visible:
            return
        if self._line is None:
            self._line = _Line()
        self._line.show(name, rows, total)

    def close(self) -> None:
        """Clear the line."""
        if self._line is not None:
            self._line.close()
            self._line = None


class _Line:
    """What rich draws, and the log's handlers, which must write above it."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - see above
        from rich.progress import Progress as RichProgress  # noqa: PLC0415
        from rich.progress import SpinnerColumn, TextColumn  # noqa: PLC0415

        self._bar: RichProgress = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            console=Console(stderr=True),
            refresh_per_second=REFRESHES_PER_SECOND,
            transient=True,
            redirect_stdout=False,
        )
        self._name = ""
        self._task: TaskID | None = None
        self._stderr = sys.stderr
        self._bar.start()
        _redirect_log(self._stderr, sys.stderr)

    def show(self, name: str, rows: int, total: int | None) -> None:
        if name != self._name or self._task is None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._name = name
            self._task = self._bar.add_task(name, total=total)  # rich measures its speed
        speed = self._bar.tasks[0].speed
        rate = f", {speed:,.0f} a second" if speed else ""
        known = f" of {total:,}" if total is not None else ""
        description = f"{name}: {rows:,}{known} rows{rate}"
        self._bar.update(self._task, completed=rows, description=description)

    def close(self) -> None:
        redirected = sys.stderr
        self._bar.stop()
        _redirect_log(redirected, self._stderr)


def _redirect_log(before: TextIO, now: TextIO) -> None:
    """Redirect the log handlers that write to one stream to another."""
    loggers = [logging.getLogger(name) for name in (None, *logging.root.manager.loggerDict)]
    for handler in {handler for logger in loggers for handler in logger.handlers}:
        if isinstance(handler, logging.StreamHandler) and handler.stream is before:
            handler.setStream(now)
