"""Report within ten seconds, in every service, that no more heartbeats arrive, and since when.

/readyz lists it under `still`, and parking_still_seconds{what="heartbeat"} grows. Nothing is
stopped or restarted because of it, and the service stays ready. While Kafka does not answer,
pulse.py reports that instead, and no service is blamed.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from parking.core.freshness import Freshness, Place
from parking.core.topics import CAMERA_STATUS, DETECTIONS, FRAMES
from parking.runtime.metrics import HEARTBEAT_SECONDS, STILL_SECONDS
from parking.runtime.ops import Health, SystemClock
from parking.runtime.printable import utc
from parking.runtime.pulse import WHAT as KAFKA_AWAY
from parking.runtime.retry import pause
from parking.runtime.runner import Handle
from parking.wire import heartbeats
from parking.wire.ports import Clock, Outgoing, Record

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
WHAT: Final = "heartbeat"
_WRITERS: Final = {FRAMES: "ingest", DETECTIONS: "the detector", CAMERA_STATUS: "the tracker"}
"""The topics in the order in which a heartbeat passes through them."""
_BEFORE: Final = {
    FRAMES: "it, or this service,",
    DETECTIONS: "it, ingest, or this service,",
    CAMERA_STATUS: "it, the detector, ingest, or this service,",
}


@dataclass(slots=True)
class Heartbeats:
    """What a service knows about the heartbeats that it has finished with."""

    health: Health
    clock: Clock = field(default_factory=SystemClock)
    _freshness: Freshness = field(default_factory=Freshness)
    _topics: set[str] = field(default_factory=set)
    _said: str = ""

    def passed(self, records: Sequence[Record]) -> None:
        """Note that the service has finished these records."""
        now_ms = self.clock.now_ms()
        for record in records:
            event = heartbeats.read(record)
            if event is not None:
                place = record.topic, record.partition
                at_ms = record.timestamp_ms or now_ms
                self._freshness.heard(now_ms, place, at_ms, event.partitions)
                HEARTBEAT_SECONDS.labels(record.topic).set(max(0, now_ms - event.time_ms) / 1000)

    def watching(self, handle: Handle) -> Handle:
        """Wrap a service's handler so that finished heartbeats are noted."""

        async def watched(records: Sequence[Record]) -> list[Outgoing]:
            outgoing = await handle(records)
            self.passed(records)
            return outgoing

        return watched

    def keep(self, partitions: set[int]) -> None:
        """Keep only these partitions, which are this service's after a rebalance."""
        self._freshness.keep(partitions)

    def has_any(self) -> bool:
        """Whether any heartbeat has ever arrived."""
        return self._freshness.known

    async def loop(self, stop: asyncio.Event) -> None:
        """Check every second until `stop` is set."""
        while not stop.is_set():
            self.look()
            await pause(stop, LOOK_EVERY_S)

    def look(self) -> None:
        """Report which places are silent in /readyz, in the metrics and, once, in the log."""
        if KAFKA_AWAY in self.health.waiting:
            self._freshness.restart(self.clock.now_ms())
        silent = self._silent()
        since_ms = min(silent.values(), default=None)
        waited_ms = 0 if since_ms is None else max(0, self.clock.now_ms() - since_ms)
        STILL_SECONDS.labels(WHAT).set(waited_ms / 1000)
        if since_ms is None:
            self.health.still.pop(WHAT, None)
            if self._said:
                log.warning("heartbeats are arriving again")
            self._said = ""
            return
        words = _words(silent, since_ms)
        self.health.still[WHAT] = words
        if not self._said:
            log.warning("%s", words)
        self._said = words

    def _silent(self) -> dict[Place, int]:
        return self._freshness.silent(self.clock.now_ms())


def _words(silent: dict[Place, int], since_ms: int) -> str:
    """Name the first topic on a heartbeat's way that has none, because later topics cannot have any
    either."""
    first = next(topic for topic in _WRITERS if any(place[0] == topic for place in silent))
    numbers = ", ".join(str(number) for topic, number in sorted(silent) if topic == first)
    since = utc(since_ms)
    return (
        f"no heartbeat has come from {_WRITERS[first]} since {since} ({first}, partition"
        f" {numbers}): {_BEFORE[first]} has stalled"
    )
