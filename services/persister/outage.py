"""What the persister waits for, since when and why: for /readyz and metrics."""

from typing import Final

from parking.core.errors import Retryable
from parking.runtime.metrics import STILL_SECONDS
from parking.runtime.ops import Health
from parking.runtime.printable import utc
from parking.wire.ports import Clock

WHAT: Final = "effects"


class Outage:
    """The outage of PostgreSQL, S3 or Kafka that keeps the persister from writing, if there is
    one. Its cause may change on the way; its beginning does not."""

    def __init__(self, health: Health, clock: Clock) -> None:
        self._health = health
        self._clock = clock
        self._since_ms: int | None = None
        self._cause = ""

    def say(self, error: Retryable) -> None:
        """An attempt failed: name the cause and when it began."""
        if self._since_ms is None:
            self._since_ms = self._clock.now_ms()
        if error.reason != self._cause:
            self._clear()
            self._cause = error.reason
            STILL_SECONDS.labels(error.reason).set_function(self._lasting_s)
        self._health.waiting[WHAT] = f"{error} (since {utc(self._since_ms)})"

    def end(self) -> None:
        """An attempt succeeded."""
        self._clear()
        self._since_ms, self._cause = None, ""
        self._health.waiting.pop(WHAT, None)

    def _clear(self) -> None:
        if self._cause:
            STILL_SECONDS.labels(self._cause).set_function(_nothing)

    def _lasting_s(self) -> float:
        now_ms = self._clock.now_ms()
        return max(0, now_ms - (self._since_ms or now_ms)) / 1000


def _nothing() -> float:
    return 0.0
