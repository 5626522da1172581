"""Wall time, anchored to the monotonic clock.

The board's own calendar is ignored: without a battery it shows 2000 or 2021 after a power cut. Once
a time server has answered, wall time is known for every moment since the boot, including earlier
ones. All times are milliseconds since 1970.
"""

NOT_BEFORE_MS = 1_767_225_600_000  # 2026-01-01: this firmware did not exist earlier
NOT_AFTER_MS = 4_102_444_800_000  # 2100
AGREE_MS = 2000


class Clock:
    """`refused` counts rejected time server answers. `jumps` counts corrections of a wrong
    clock."""

    def __init__(self):
        self._offset_ms = None
        self._candidate_ms = None
        self.refused = self.jumps = 0

    @property
    def known(self):
        """Whether wall time is known."""
        return self._offset_ms is not None

    def wall_at(self, mono_ms):
        """Return the wall time at a moment of this boot, or None while it is unknown."""
        return None if self._offset_ms is None else mono_ms + self._offset_ms

    def offer(self, wall_ms, mono_ms):
        """Take a time server's answer, received at `mono_ms`. Returns True if it is accepted: the
        first plausible answer, one that agrees with the clock, or a jump that a second answer
        confirms."""
        if not NOT_BEFORE_MS <= wall_ms < NOT_AFTER_MS:
            self.refused += 1
            return False
        offset_ms = wall_ms - mono_ms
        known = (self._offset_ms, self._candidate_ms)
        if self._offset_ms is not None and not any(
            one is not None and abs(offset_ms - one) <= AGREE_MS for one in known
        ):
            self._candidate_ms = offset_ms
            self.refused += 1
            return False
        self.jumps += self._offset_ms is not None and abs(offset_ms - self._offset_ms) > AGREE_MS
        self._offset_ms, self._candidate_ms = offset_ms, None
        return True


class Monotonic:
    """Milliseconds since boot that never wrap, from a counter that wraps every `period`."""

    def __init__(self, ticks_ms, period=1 << 30):
        self._ticks_ms, self._period = ticks_ms, period
        self._last, self._total = ticks_ms(), 0

    def __call__(self):
        """Return the current time. Must be called at least once per period (12 days on ESP32)."""
        now = self._ticks_ms()
        self._total += (now - self._last) % self._period
        self._last = now
        return self._total

    def at(self, ticks):
        """Return the moment of a counter value that is at most one period old."""
        now = self()
        return now - (self._last - ticks) % self._period
