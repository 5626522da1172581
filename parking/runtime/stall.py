"""Detect a service that makes no progress. Pure except for the clock passed to it.

A restart fixes a process that hangs, or a group member that never gets its partitions. It does not
fix an outage, in which the process would restart in a loop. So time counts only while there is work
and the external systems answer.
"""

import time
from collections.abc import Callable, Iterable

from parking.runtime.ops import Health


class Stall:
    """What is expected to progress, and since when it has not. `limit_s` is how long that may
    last."""

    def __init__(self, limit_s: float, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._clock_s = clock_s
        self._since_s: dict[str, float] = {}
        self._reasons: dict[str, str] = {}

    def expect(self, *things: str) -> None:
        """Expect progress for these names, which have work, and for no others."""
        now_s = self._clock_s()
        self._since_s = {thing: self._since_s.get(thing, now_s) for thing in things}

    def moved(self, things: Iterable[str]) -> None:
        """Note that these made progress. Time for their remaining work counts from the next
        `expect`."""
        for thing in things:
            self._since_s.pop(thing, None)

    def away(self) -> None:
        """Expect no progress, because the external systems do not answer."""
        self._since_s = {}

    def report(self, health: Health) -> None:
        """Fail /healthz with the names that make no progress."""
        now_s = self._clock_s()
        for thing in self._reasons:
            health.failing.pop(thing, None)
        self._reasons = {
            thing: f"no progress for {now_s - since_s:.0f} s"
            for thing, since_s in self._since_s.items()
            if now_s - since_s > self._limit_s
        }
        health.failing.update(self._reasons)
