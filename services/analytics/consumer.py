"""How faust reads our inputs: only committed records, and none of them dropped.

faust moves from the restored table to the inputs in steps. It fetches in a thread of its own
meanwhile, and it drops records of partitions that are not active yet. It relies on the seek to the
committed offsets at the end to read them again. Three things made that untrue, more often the
slower the computer (observed: a site without a single minute until the next restart):

- The thread sees the set of active partitions change while it fetches, and takes an empty set for
  all partitions.
- aiokafka leaves a partition where it is if nothing was ever committed in it.
- A fetch during the seek moves faust's place ahead of the one that the seek then sets. faust takes
  the difference for a gap in the log, and commits records that are still in its buffer.
"""

import asyncio
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import faust
from aiokafka import AIOKafkaConsumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.transport.drivers.aiokafka import Consumer as FaustConsumer
from faust.types import TP
from mode.utils.queues import FlowControlEvent

from parking.core.topics import ANALYTICS_CLOCK, CAMERA_STATUS, SESSIONS, SLOT_CHANGES

SOURCES: Final = (SLOT_CHANGES, SESSIONS, CAMERA_STATUS, ANALYTICS_CLOCK)


class Valve(FlowControlEvent):
    """faust's valve before the agent's buffer. faust opens it a second time when a table is
    restored, and opening empties the buffer: records that had arrived since were dropped
    (observed)."""

    def resume(self) -> None:
        """Open, and empty the buffer of an earlier assignment's records; if already open, do
        nothing."""
        if not self.is_active():
            super().resume()


class _Thread(AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # faust's only setting for this is exactly_once, which is unreliable.
        if consumer._isolation_level != "read_uncommitted":  # noqa: SLF001 -- no public name
            raise RuntimeError("this aiokafka version stores the isolation level elsewhere")
        consumer._isolation_level = "read_committed"  # noqa: SLF001
        return consumer

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek each input to its committed offset, or to its beginning if there is none."""
        offsets: Mapping[TP, int] = await self.call_thread(seek_back, self._ensure_consumer())
        return offsets


async def seek_back(consumer: AIOKafkaConsumer) -> Mapping[TP, int]:
    """See _Thread.seek_to_committed. Returns the committed offsets."""
    offsets: Mapping[TP, int] = await consumer.seek_to_committed()
    rest = [place for place, offset in offsets.items() if not offset and place.topic in SOURCES]
    if rest:
        await consumer.seek_to_beginning(*rest)
    return offsets


class Consumer(FaustConsumer):
    """Reads only committed records, because the tracker writes in transactions."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fetch_or_seek = asyncio.Lock()

    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(
        self,
        active_partitions: set[TP] | None,
        timeout: float,  # noqa: ASYNC109 -- faust passes it by name
    ) -> Any:
        """Fetch from the partitions that are active now, and not while seeking."""
        async with self._fetch_or_seek:
            active = set(active_partitions or ())
            return await super()._getmany(active, timeout) if active else {}

    async def perform_seek(self) -> None:
        """Seek to the committed offsets while nothing is fetched."""
        async with self._fetch_or_seek:
            await super().perform_seek()


class CountingApp(faust.App):
    """faust with the changes of this file."""

    @cached_property
    def flow_control(self) -> FlowControlEvent:
        """See Valve."""
        return Valve(loop=self.loop)

    def _new_transport(self) -> Any:
        transport: Any = super()._new_transport()
        transport.Consumer = Consumer
        return transport
