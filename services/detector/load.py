"""Decide what the detector leaves out when its machine is busy. Pure except for the clock it is
given.

Work is measured in wall-clock seconds, so other load on the machine counts too, because it makes
the same picture take longer. While the work per second exceeds the budget, one more thing is left
out, in this order:

1. closer looks
2. refreshes of slots that have not changed
3. input size
4. pace

They are restored in the reverse order once there is room. At level 4 a changed slot may have to
wait for a later picture of its camera. The camera that has waited longest comes first, and one that
has waited less than half as long gives way, so no camera waits long while others are judged again
and again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

CLOSER, REFRESH, SIZE, PACE = 1, 2, 3, 4
SMALLER: Final = 0.75
"""The input size at level 3 and above, as a share of the usual size."""

_WINDOW_S: Final = 2.0
"""Seconds between two comparisons of the work with the budget."""
_ROOM: Final = 0.8
"""Below this share of the budget, something is restored."""
_PATIENCE_S: Final = 10.0
"""How long there must be room before something is restored. The time is doubled, up to
`_PATIENCE_MOST_S`, each time that proved too early."""
_PATIENCE_MOST_S: Final = 160.0
_EARLY_S: Final = 30.0
_BURST_S: Final = 1.0
"""At level 4, judging gets the budget's share of the time, and may save up this much of it. Looking
for changes does not count, so it never delays the judging of slots that changed."""
_WAITING_KEPT: Final = 1024
_GONE_S: Final = 10.0
"""A camera that has not asked for this long is skipped, because its next picture may never come. A
detector that has not worked for this long is not overloaded."""


@dataclass(slots=True)
class Load:
    """The level, and the waiting cameras. `budget` is the seconds of work per second for one
    detector."""

    budget: float = 0.8
    clock_s: Callable[[], float] = time.monotonic
    level: int = 0
    _busy_s: float = 0.0
    _since_s: float | None = None
    _worked_at_s: float = float("-inf")
    _room_since_s: float | None = None
    _patience_s: float = _PATIENCE_S
    _lowered_s: float = float("-inf")
    _saved_s: float = _BURST_S
    _saved_at_s: float = 0.0
    _waiting: dict[str, float] = field(default_factory=dict)
    _requested_s: dict[str, float] = field(default_factory=dict)

    @property
    def overloaded(self) -> bool:
        """Whether something is left out now. Without recent work nothing is, whatever the level,
        because the level changes only with work."""
        return self.level > 0 and self.clock_s() - self._worked_at_s < _GONE_S

    def add_work(self, seconds: float, *, judged: bool = True) -> None:
        """Add the time spent on a picture. `judged` says whether slots of it were judged."""
        now_s = self._worked_at_s = self.clock_s()
        if self._since_s is None:
            self._since_s = now_s - seconds
        self._busy_s += seconds
        if judged:
            self._saved_s -= seconds
        if now_s - self._since_s >= _WINDOW_S:
            self._decide(self._busy_s / (now_s - self._since_s), now_s)
            self._busy_s, self._since_s = 0.0, now_s

    def may_judge(self, camera_id: str) -> bool:
        """Return whether there is time to judge changed slots of this camera now, and it is its
        turn."""
        if self.level < PACE:
            return True
        now_s = self.clock_s()
        saved_s = max(self._saved_s, -_BURST_S) + (now_s - self._saved_at_s) * self.budget
        self._saved_s, self._saved_at_s = min(saved_s, _BURST_S), now_s
        return self._saved_s > 0 and self._in_turn(camera_id, now_s)

    def defer(self, camera_id: str) -> None:
        """Note that a changed scene of this camera was not judged."""
        now_s = self.clock_s()
        if len(self._waiting) >= _WAITING_KEPT:
            for silent in [c for c, at_s in self._requested_s.items() if now_s - at_s >= _GONE_S]:
                self.settle(silent)
        if camera_id in self._waiting or len(self._waiting) < _WAITING_KEPT:
            self._waiting.setdefault(camera_id, now_s)
            self._requested_s[camera_id] = now_s

    def settle(self, camera_id: str) -> None:
        """Note that this camera has no more waiting changes."""
        self._waiting.pop(camera_id, None)
        self._requested_s.pop(camera_id, None)

    def order(self, camera_id: str) -> float:
        """Sort key: the longest waiting change first, then all others."""
        return self._waiting.get(camera_id, float("inf"))

    def _in_turn(self, camera_id: str, now_s: float) -> bool:
        since_s = self._waiting.get(camera_id, now_s)
        asking = (
            s for name, s in self._waiting.items() if now_s - self._requested_s[name] < _GONE_S
        )
        return now_s - since_s >= (now_s - min(asking, default=now_s)) / 2

    def _decide(self, share: float, now_s: float) -> None:
        if share > self.budget:
            self._room_since_s = None
            if self.level < PACE:
                if now_s - self._lowered_s < _EARLY_S:
                    self._patience_s = min(2 * self._patience_s, _PATIENCE_MOST_S)
                self.level += 1
                self._saved_s, self._saved_at_s = 0.0, now_s
        elif share > _ROOM * self.budget or not self.level:
            self._room_since_s = None
            if not self.level and now_s - self._lowered_s > _PATIENCE_MOST_S:
                self._patience_s = _PATIENCE_S
        elif self._room_since_s is None:
            self._room_since_s = now_s
        elif now_s - self._room_since_s >= self._patience_s:
            self.level -= 1
            self._lowered_s, self._room_since_s = now_s, None
