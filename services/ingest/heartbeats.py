"""Write heartbeats into parking.frames, so that every service can see within seconds that nothing
comes any more (parking/wire/heartbeats.py)."""

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
    """Writes to so many partitions; 0: to none. A heartbeat that could not be written is dropped:
    later, its time would be wrong."""

    partitions: int
    producer: Producer
    heartbeats: Heartbeats
    clock: Clock

    async def loop(self, stop: asyncio.Event) -> None:
        """Write them every few seconds until `stop`."""
        while not stop.is_set():
            await self.write()
            await pause(stop, EVERY_S)

    async def write(self) -> None:
        """Write one to each partition."""
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
