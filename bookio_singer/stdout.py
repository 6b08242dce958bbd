"""How a process ends while it writes to stdout: in a whole line, and within seconds.

A loader fails on half a line, and some print it, with what it says about a patient. So a signal
during a write does not end the process; the write does, once its lines are out:

1. No write is under way: the signal ends the process at once.
2. A write is under way: the process ends after it. The loader has ``GRACE_S`` to take the lines.
3. The loader takes nothing in that time, or a second signal comes: the rest is discarded.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

GRACE_S = 5.0
"""Schedulers commonly kill a process 10 seconds or more after SIGTERM."""


class WholeLines:
    """A ``with`` block that a signal does not interrupt.

    Used by the main thread alone, which also runs signal handlers. They can run between any two
    steps of the code below.
    """

    def __init__(self) -> None:
        """Start outside the block, without a signal."""
        self._depth = 0
        self._is_end_due = False
        self._was_signalled = False

    def __enter__(self) -> None:
        """Put the end of the process off."""
        self._depth += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the process if a signal came."""
        self._depth -= 1  # a signal before this step is seen by the next; after it, case 1 applies
        if self._is_end_due and not self._depth and kind is None:
            self._is_end_due = False  # what closes the tap may still write whole lines
            sys.exit(1)

    def end_process(self) -> None:
        """End the process with code 1; called by the handler of a signal."""
        if self._was_signalled:
            discard_stdout()
        elif hasattr(signal, "setitimer"):  # Windows has none
            signal.signal(signal.SIGALRM, lambda *_: discard_stdout())
            signal.setitimer(signal.ITIMER_REAL, GRACE_S)
        self._was_signalled = True
        if not self._depth:
            sys.exit(1)
        self._is_end_due = True


def discard_stdout() -> None:
    """Let every write to stdout succeed without effect, also one that waits for a reader."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
