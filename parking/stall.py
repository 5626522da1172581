"""Whether a service that should be moving stands still. Pure but for the clock it is given.

A process that hangs, or a group member that never gets its partitions, heals by being started
again. An outage does not: who starts again during one starts again in circles. So time counts only
while there is something to do and the outside world answers.
"""

import time
from collections.abc import Callable, Iterable

from parking.ops import Health


class Stall:
    """What is expected to move, and since when it has not. `limit_s`: how long that may last."""

    def __init__(self, limit_s: float, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._clock_s = clock_s
        self._since_s: dict[str, float] = {}
        self._told: dict[str, str] = {}

    def expect(self, *things: str) -> None:
        """There is work for these things, and for no others."""
        now_s = self._clock_s()
        self._since_s = {thing: self._since_s.get(thing, now_s) for thing in things}

    def moved(self, things: Iterable[str]) -> None:
        """They did some: what is still to do counts from the next `expect`."""
        for thing in things:
            self._since_s.pop(thing, None)

    def away(self) -> None:
        """The outside world does not answer: nothing can be expected to move."""
        self._since_s = {}

    def report(self, health: Health) -> None:
        """Fail /healthz with what stands still."""
        now_s = self._clock_s()
        for thing in self._told:
            health.failing.pop(thing, None)
        self._told = {
            thing: f"nothing has moved for {now_s - since_s:.0f} s"
            for thing, since_s in self._since_s.items()
            if now_s - since_s > self._limit_s
        }
        health.failing.update(self._told)
