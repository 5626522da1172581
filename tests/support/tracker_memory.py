"""The tracker's log in memory, with a fence and with transactions that are applied wholly or not at
all."""

from collections.abc import Mapping, Sequence
from typing import Any

from parking.core.errors import Fenced, Retryable
from parking.core.events import (
    DetectionMade,
    DeviceReported,
    Event,
    GateEventReceived,
    SiteCommanded,
    SlotChanged,
    TickElapsed,
)
from parking.core.site import Site
from parking.core.topics import (
    DETECTIONS,
    DEVICE_EVENTS,
    GATE_EVENTS,
    LIVE,
    SITE_COMMANDS,
    SLOT_CHANGES,
    TRACKER_BATCHES,
    TRACKER_CHECKPOINTS,
)
from parking.runtime.memory import ManualClock, MemoryBroker
from parking.wire import codec
from parking.wire.partitioning import partition_of
from parking.wire.ports import Outgoing, Record
from services.tracker import handler
from services.tracker.partition import Partition
from tests.support.tracking import OUTPUTS, Teller

SITE = "lot"
PARTITION = partition_of(SITE.encode())
TOPICS: dict[type[Event], str] = {
    DetectionMade: DETECTIONS,
    DeviceReported: DEVICE_EVENTS,
    GateEventReceived: GATE_EVENTS,
    SiteCommanded: SITE_COMMANDS,
    TickElapsed: DETECTIONS,
}


class MemoryLog:
    """A partition.Log. `owners` says who may write to each partition and is shared by all logs of a
    broker."""

    def __init__(self, broker: MemoryBroker, partition: int, owners: dict[int, Any]) -> None:
        self.broker = broker
        self.ids = dict.fromkeys(handler.SOURCES, "1")
        self.lost = ""
        """`before` or `after`: a transaction fails, without effect or with."""
        self.offsets: dict[str, int] = {}
        self._partition = partition
        self._owners = owners

    async def fence(self) -> None:
        self._owners[self._partition] = self

    async def topic_ids(self) -> dict[str, str]:
        return self.ids

    async def checkpoint(self) -> list[Record]:
        return self._read(TRACKER_CHECKPOINTS, 0)

    async def batches(self, first: int) -> list[Record]:
        return self._read(TRACKER_BATCHES, first)

    async def inputs(self, first: Mapping[str, int], last: Mapping[str, int]) -> list[Record]:
        found = {topic: self._read(topic, first.get(topic, 0)) for topic in last}
        return [r for topic, log in found.items() for r in log if r.offset < last[topic]]

    async def write(
        self, messages: Sequence[Outgoing], offsets: Mapping[str, int]
    ) -> list[tuple[int, int]]:
        if self._owners.get(self._partition) is not self:
            raise Fenced
        if self.lost == "before":
            raise Retryable("away")
        places = [self.broker.append(message) for message in messages]
        self.offsets = dict(offsets)
        if self.lost == "after":
            raise Retryable("away")
        return places

    async def close(self) -> None:
        if self._owners.get(self._partition) is self:
            del self._owners[self._partition]

    def _read(self, topic: str, first: int) -> list[Record]:
        return self.broker.read((topic, self._partition), first, 1_000_000)


class Bench:
    """One site's partition on an in-memory broker. `await begin()` first."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker(self.clock)
        self.owners: dict[int, Any] = {}
        self.teller = Teller(SITE)

    async def begin(self) -> "Bench":
        """Start a tracker that takes over the partition as after kill -9, with only the records in
        Kafka."""
        self.log = MemoryLog(self.broker, PARTITION, self.owners)
        self.partition = Partition(PARTITION, self.log, self.clock, LIVE)
        await self.partition.restore()
        return self

    @property
    def site(self) -> Site:
        return self.partition.sites[SITE]

    def logged(self, message: Outgoing) -> Record:
        """Return the message as a record of the log."""
        partition, offset = self.broker.append(message)
        return self.broker.read((message.topic, partition), offset, 1)[0]

    def record(self, event: Event, topic: str | None = None) -> Record:
        return self.logged(codec.outgoing(event, topic or TOPICS[type(event)], SITE, "test"))

    def story(self) -> list[Record]:
        t = self.teller
        return [
            self.record(t.adopt("a", "1", "2")),
            *(self.record(t.see("a", {"1": "f", "2": "o"})) for _ in range(2)),
        ]

    async def apply(self, *records: Record) -> None:
        """Apply each record in a batch of its own."""
        for record in records:
            await self.partition.apply([record])

    def changes(self) -> list[tuple[str, str, int]]:
        events = [codec.decode(r) for r in self.broker.records(SLOT_CHANGES)]
        return [(e.slot_id, e.to_state, e.version) for e in events if isinstance(e, SlotChanged)]

    def reports_of(self) -> dict[str, list[bytes]]:
        """Return every output by its topic."""
        return {topic: [r.value or b"" for r in self.broker.records(topic)] for topic in OUTPUTS}
