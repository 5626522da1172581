"""Points where a test may kill or freeze the process: between an effect and its acknowledgement.

Set `FAULT=point:kill` or `FAULT=point:freeze`. With `:3` appended, only the third time counts. If
FAULT is not set, a point does nothing. `grep -rnw 'fault(' services` lists the points.
"""

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final

_ENDS: Final = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}
_in_hand: ContextVar[tuple[str, ...]] = ContextVar("in_hand", default=())
_passed: Counter[str] = Counter()


def holding(names: Iterable[str]) -> None:
    """Note the names of what this task is working on. A point writes them out before it ends the
    process, so that a test can count what is processed again."""
    if "FAULT" in os.environ:
        _in_hand.set(tuple(names))


def fault(point: str) -> None:
    """End as with kill -9, or freeze until SIGCONT, if FAULT names this point. Work in progress is
    written to stderr first."""
    at, end, time = [*os.environ.get("FAULT", "").split(":"), "", ""][:3]
    if at != point or end not in _ENDS:
        return
    _passed[point] += 1
    if _passed[point] == int(time or 1):
        sys.stderr.write(f"FAULT {point} in hand: {' '.join(_in_hand.get())}\n")
        sys.stderr.flush()
        os.kill(os.getpid(), _ENDS[end])
