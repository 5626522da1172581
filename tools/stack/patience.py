"""How long a start may take: as long as the process is working, not a fixed time.

A slow or busy computer takes minutes where another takes seconds. A process that uses the processor
makes progress. One that does not, and is not ready, hangs.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import psutil

from tools.stack.checks import NotReady

Check = Callable[[], Awaitable[None]]
POLL_S: Final = 0.1
WORK_S: Final = 0.5
"""Processor time that counts as progress."""
MOST: Final = 10
"""After this many times the limit, even a process that is working is given up."""


def used_s(pid: int) -> float:
    """Return the seconds of processor time of the process and its children, including children that
    have ended. Returns 0 once the process has ended."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return 0.0
    return sum(map(_spent_s, family))


def _spent_s(process: psutil.Process) -> float:
    """Count children that have ended: their times are in their parent's."""
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    names = ("user", "system", "children_user", "children_system")
    return sum(float(getattr(times, name, 0.0)) for name in names)


class Patience:
    """Waits `limit_s` seconds, and again whenever the process has worked for `WORK_S`."""

    def __init__(
        self,
        pid: int,
        limit_s: float,
        used: Callable[[int], float] = used_s,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pid, self._limit_s, self._used, self._clock_s = pid, limit_s, used, clock_s
        self._last_s = clock_s()
        self._ends_s = self._last_s + MOST * limit_s
        self._seen = used(pid)

    def is_over(self) -> bool:
        """Whether the process made no progress within the limit, or took ten times as long."""
        now_s = self._clock_s()
        if now_s - self._last_s < self._limit_s:
            return False
        used = self._used(self._pid)
        if now_s > self._ends_s or used - self._seen < WORK_S:
            return True
        self._last_s, self._seen = now_s, used
        return False


async def until_ready(ready: Check, pid: int, limit_s: float) -> bool:
    """Ask until the process is ready (True) or makes no progress (False)."""
    patience = Patience(pid, limit_s)
    while not patience.is_over():
        try:
            await ready()
            return True
        except NotReady:
            await asyncio.sleep(POLL_S)
    return False
