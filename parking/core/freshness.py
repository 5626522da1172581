"""Tell since when no heartbeat has arrived at each place (docs/decisions/0031). Pure.

Nothing is reported about a place before its first heartbeat, because a writer that sends none is
not late.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, NamedTuple

Place = tuple[str, int]

EVERY_S: Final = 3.0
"""How often ingest writes heartbeats."""
SILENT_MS: Final = 7_000
"""Without a heartbeat for this long, something has stalled. A heartbeat may be four seconds
late."""
FORGOTTEN_MS: Final = 3_600_000
"""A heartbeat that is older than this on arrival proves nothing, because perhaps none are written
any more."""


class _Heard(NamedTuple):
    heard_ms: int  # when it arrived, by this service's clock
    at_ms: int  # by Kafka's clock: when it was written


@dataclass(slots=True)
class Freshness:
    """The last heartbeat of each place (topic and partition) that a service has finished with."""

    _last: dict[Place, _Heard] = field(default_factory=dict)

    def heard(self, now_ms: int, place: Place, at_ms: int, partitions: int) -> None:
        """Note a heartbeat that was written at `at_ms`. Its topic has heartbeats in this many
        partitions."""
        if now_ms - at_ms > FORGOTTEN_MS:
            return
        self._last[place] = _Heard(now_ms, at_ms)
        topic = place[0]
        self._last = {
            (name, number): last
            for (name, number), last in self._last.items()
            if name != topic or number < partitions
        }

    @property
    def known(self) -> bool:
        """Whether any heartbeat has arrived."""
        return bool(self._last)

    def keep(self, partitions: Collection[int]) -> None:
        """Forget all other partitions: they belong to another process now."""
        self._last = {place: last for place, last in self._last.items() if place[1] in partitions}

    def restart(self, now_ms: int) -> None:
        """Count time from now on, because no heartbeat can arrive at present."""
        self._last = {place: last._replace(heard_ms=now_ms) for place, last in self._last.items()}

    def silent(self, now_ms: int) -> dict[Place, int]:
        """Places without a heartbeat for SILENT_MS, each with the time of its last one (Unix
        ms)."""
        return {
            place: last.at_ms
            for place, last in self._last.items()
            if now_ms - last.heard_ms >= SILENT_MS
        }
