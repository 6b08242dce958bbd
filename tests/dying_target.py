"""target-bookio that kills itself at the nth call of one method: before it, or right after it.

python dying_target.py MODULE OWNER METHOD NTH before|after [OPTIONS OF target-bookio ...]
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import Any

from target_bookio.target import TargetBookio


def main() -> None:
    module, owner_name, method, nth, moment, *options = sys.argv[1:]
    owner = getattr(importlib.import_module(module), owner_name)
    point = getattr(owner, method)
    calls_left = int(nth)

    def dying(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls_left
        calls_left -= 1
        if calls_left == 0 and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = point(*args, **kwargs)
        if calls_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(owner, method, dying)
    TargetBookio.cli(options)


main()
