"""Points where a test may kill or freeze the process: between an effect and its acknowledgement.

`FAULT=point:kill` or `FAULT=point:freeze` in the environment, with `:3` behind it at the third time
only; without it a point does nothing. `grep -rnw 'fault(' services` lists the points.
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
    """Note what this task works on, by name, for the line that a point writes before it ends the
    process: a test counts what of it comes again."""
    if "FAULT" in os.environ:
        _in_hand.set(tuple(names))


def fault(point: str) -> None:
    """Die here as by kill -9, or stand still until SIGCONT, when told so. What was in hand goes to
    stderr first."""
    at, end, time = [*os.environ.get("FAULT", "").split(":"), "", ""][:3]
    if at != point or end not in _ENDS:
        return
    _passed[point] += 1
    if _passed[point] == int(time or 1):
        sys.stderr.write(f"FAULT {point} in hand: {' '.join(_in_hand.get())}\n")
        sys.stderr.flush()
        os.kill(os.getpid(), _ENDS[end])
