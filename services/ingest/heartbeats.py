"""Write heartbeats to parking.frames, so that every service notices within seconds when nothing
arrives any more (parking/wire/heartbeats.py)."""

import asyncio
import logging
from dataclasses import dataclass

from parking.core.errors import Refused, Retryable
from parking.core.freshness import EVERY_S
from parking.runtime.heartbeats import Heartbeats
from parking.runtime.retry import pause
from parking.wire.heartbeats import new_heartbeats
from parking.wire.ports import Clock, Producer, Record

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HeartbeatWriter:
    """Writes heartbeats to this many partitions (0 writes none). A heartbeat that could not be
    written is dropped, because its time would be wrong later."""

    partitions: int
    producer: Producer
    heartbeats: Heartbeats
    clock: Clock

    async def loop(self, stop: asyncio.Event) -> None:
        """Write heartbeats every few seconds until `stop` is set."""
        while not stop.is_set():
            await self.write()
            await pause(stop, EVERY_S)

    async def write(self) -> None:
        """Write one heartbeat to each partition."""
        messages = new_heartbeats(self.partitions, self.clock.now_ms())
        if not messages:
            return
        try:
            places = await self.producer.send(messages)
        except (Retryable, Refused) as error:
            log.warning("a heartbeat was not written: %s", error)
            return
        self.heartbeats.passed(
            [
                Record(one.topic, *place, one.key, one.value, one.headers)
                for one, place in zip(messages, places, strict=True)
            ]
        )
