"""Decide when the recorded scene moves on and which cameras take a picture of it. Pure.

All cameras look at one scene. Without a command, each takes every picture of it, at the same moment
as its neighbours. A camera with a commanded interval takes the scene's current picture at that
interval, so a slower one skips pictures and a faster one repeats them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

INTERVAL_MS: Final = 5_000
"""A camera's interval without a command."""


@dataclass(slots=True)
class Pace:
    """Seconds may come from any one clock. `index` is the scene's picture, -1 before the first."""

    interval_s: float
    next_s: float
    index: int = -1
    _due_s: dict[str, float] = field(default_factory=dict)

    def moves(self, now_s: float) -> bool:
        """Return whether the scene moves on to its next picture now. Lost time is not made up."""
        if now_s < self.next_s:
            return False
        self.index += 1
        self.next_s = max(self.next_s + self.interval_s, now_s)
        return True

    def due(self, now_s: float, moved: bool, commanded_ms: Mapping[str, int | None]) -> list[str]:
        """Return the cameras that send now. `commanded_ms` holds each one's own interval, or
        None."""
        names = []
        for name, interval_ms in commanded_ms.items():
            if interval_ms is None:
                self._due_s.pop(name, None)
                send = moved
            else:
                due_s = self._due_s.get(name, now_s)
                send = now_s >= due_s
                if send:
                    self._due_s[name] = max(due_s + interval_ms / 1000, now_s)
            if send:
                names.append(name)
        return names

    def wait_s(self, now_s: float) -> float:
        """Return the seconds until something is due, 0 or more."""
        return max(0.0, min([self.next_s, *self._due_s.values()]) - now_s)
