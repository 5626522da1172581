"""Token buckets that limit how much each of many senders may send. Pure: the caller passes the
time.

Each key (a device or a site) has a bucket that holds at most `burst` and fills at `per_s`. A sender
that exceeds this is refused, and other senders are not affected.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

MAX_KEYS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_s` on average, and `burst` at once after a pause. If `per_s` is 0, there is no limit."""

    per_s: float = 0.0
    burst: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Parse `PER_S/BURST` or `off`. Raises ValueError."""
        if text == "off":
            return cls()
        per_s, _, burst = text.partition("/")
        rate = cls(float(per_s), float(burst))
        if not (0 < rate.per_s < 1e12 and 1 <= rate.burst < 1e12):
            raise ValueError(f"{text!r}: both numbers must be above 0, the second at least 1")
        return rate


class Buckets:
    """One bucket per key. Beyond `max_keys`, the least recently used keys are dropped. If used
    again, they start with a full bucket. A clock that is set back neither fills nor empties a
    bucket."""

    def __init__(self, rate: Rate, max_keys: int = MAX_KEYS) -> None:
        self.rate = rate
        self._max_keys = max_keys
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: Hashable, amount: float, now_ms: float) -> bool:
        """Return whether `key` may send `amount` now, and deduct it if so. An amount above the
        burst can be taken from a full bucket, which then takes longer to fill."""
        if self.rate.per_s <= 0:
            return True
        fits = self._level(key, now_ms) >= min(amount, self.rate.burst)
        self.use(key, amount if fits else 0, now_ms)
        return fits

    def wait_s(self, key: Hashable, now_ms: float) -> float:
        """Return the seconds until `key` may send one more, or 0 if it may do so now. Changes
        nothing."""
        return max(0.0, 1.0 - self._level(key, now_ms)) / self.rate.per_s

    def use(self, key: Hashable, amount: float, now_ms: float) -> None:
        """Deduct `amount` in any case. A bucket below 0 must first fill up again."""
        self._buckets[key] = self._level(key, now_ms) - amount, now_ms
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)

    def _level(self, key: Hashable, now_ms: float) -> float:
        level, at_ms = self._buckets.get(key, (self.rate.burst, now_ms))
        return min(self.rate.burst, level + max(0, now_ms - at_ms) / 1000 * self.rate.per_s)
