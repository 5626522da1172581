"""End the process when the model takes too long for one frame.

A call that hangs in C code cannot be interrupted, and its thread keeps the process from ending. So
the process exits at once, with status 1, and its supervisor restarts it. The attempt at the frame
still counts (attempts.py).
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

_TICK_S: Final = 0.5


def _end(words: str) -> None:
    log.critical("%s: the detector exits, to be restarted", words)
    os._exit(1)


class Deadline:
    """Watches the model's thread. Time is counted in ticks and not by a clock, so that time in
    which the process was frozen or waited for a core does not count against the frame."""

    def __init__(self, limit_s: float, end: Callable[[str], None] = _end) -> None:
        self._limit_s = limit_s
        self._end = end
        self._work: str | None = None
        self._spent_s = 0.0

    def watched(self, what: str, work: Callable[[], T]) -> T:
        """Do the work and return its result. `what` is its name in the log."""
        self._spent_s, self._work = 0.0, what
        try:
            return work()
        finally:
            self._work = None

    def turned(self) -> None:
        """Note that a frame is done; the time now counts for the next one."""
        self._spent_s = 0.0

    def tick(self, passed_s: float = _TICK_S) -> None:
        """Called after `passed_s`: end the process when the work is overdue."""
        what = self._work
        if what is None:
            return
        self._spent_s += passed_s
        if self._spent_s > self._limit_s:
            self._end(f"{what} was not analysed within {self._limit_s:.0f} s")

    def start(self) -> None:
        """Watch from a separate thread. It outlives the event loop when a hung call keeps the
        interpreter from ending."""
        threading.Thread(target=self._watch, name="deadline", daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(_TICK_S)
            self.tick()
