"""In-memory adapters, with the same ports and contract tests as the real ones.

They are for unit tests and for trying out a handler by hand. Nothing survives the process.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

from parking.core.errors import Invalid, Refused
from parking.core.topics import FRAME_MAX_BYTES, TOPICS, record_max_bytes
from parking.wire.partitioning import partition_of
from parking.wire.ports import Outgoing, Place, Record


class ManualClock:
    """A clock that moves only when a test sets it, or when a task sleeps on it."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms
        self.slept_s: list[float] = []

    def now_ms(self) -> int:
        """See ports.Clock."""
        return self._now_ms

    async def sleep(self, seconds: float) -> None:
        """Moves the clock at once."""
        self.slept_s.append(seconds)
        self.advance(round(seconds * 1000))

    def advance(self, milliseconds: int) -> None:
        """Move the clock."""
        self._now_ms += milliseconds


class MemoryBroker:
    """Topics as lists, partitioned with murmur2 as in Kafka."""

    def __init__(self, clock: ManualClock | None = None) -> None:
        self._clock = clock or ManualClock()
        self._logs: dict[Place, list[Record]] = defaultdict(list)
        self._committed: dict[tuple[str, Place], int] = {}

    def append(self, message: Outgoing) -> tuple[int, int]:
        """Write one record and return (partition, offset)."""
        partition = message.partition
        if partition is None:
            count = TOPICS[message.topic].partitions if message.topic in TOPICS else 1
            partition = partition_of(message.key or b"", count)
        log = self._logs[message.topic, partition]
        log.append(
            Record(
                message.topic,
                partition,
                len(log),
                message.key,
                message.value,
                message.headers,
                self._clock.now_ms(),
            )
        )
        return partition, len(log) - 1

    def records(self, topic: str) -> list[Record]:
        """All records of a topic, in the order of its partitions."""
        return [r for (name, _), log in sorted(self._logs.items()) if name == topic for r in log]

    def committed(self, group: str, topic: str, partition: int) -> int:
        """A group's next offset, or 0 if it has none."""
        return self._committed.get((group, (topic, partition)), 0)

    def read(self, place: Place, offset: int, limit: int) -> list[Record]:
        """Up to `limit` records from `offset` on."""
        return self._logs[place][offset : offset + limit]

    def places(self, topics: Sequence[str]) -> list[Place]:
        """Every partition of the topics that contains a record."""
        return sorted(place for place in self._logs if place[0] in topics)

    def commit(self, group: str, offsets: Mapping[Place, int]) -> None:
        """Store a group's offsets."""
        self._committed |= {(group, place): offset for place, offset in offsets.items()}


class MemoryProducer:
    """ports.Producer."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def send(self, messages: Sequence[Outgoing]) -> list[tuple[int, int]]:
        """See ports.Producer."""
        limit = record_max_bytes(FRAME_MAX_BYTES)
        refused = {
            index: Invalid("too-large-for-kafka", f"{message.topic}: at most {limit} bytes")
            for index, message in enumerate(messages)
            if len(message.value or b"") > limit
        }
        placed = [self._broker.append(m) for i, m in enumerate(messages) if i not in refused]
        if refused:
            raise Refused(refused)
        return placed


class MemoryConsumer:
    """ports.Consumer as the only member of its group."""

    def __init__(self, broker: MemoryBroker, group: str, *topics: str) -> None:
        self._broker = broker
        self._group = group
        self._topics = topics
        self._positions: dict[Place, int] = {}

    async def getmany(self, timeout_ms: int, max_records: int) -> list[Record]:
        """See ports.Consumer; never waits."""
        del timeout_ms
        taken: list[Record] = []
        for place in self._broker.places(self._topics):
            start = self._positions.get(place, self._broker.committed(self._group, *place))
            batch = self._broker.read(place, start, max_records - len(taken))
            self._positions[place] = start + len(batch)
            taken += batch
        return taken

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """See ports.Consumer."""
        self._broker.commit(self._group, offsets)

    async def seek(self, offsets: Mapping[Place, int]) -> None:
        """See ports.Consumer."""
        self._positions |= offsets


class MemoryObjectStore:
    """ports.ObjectStore."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    async def put(self, key: str, data: bytes, *, content_type: str = "image/jpeg") -> str:
        """See ports.ObjectStore."""
        del content_type
        self._objects[key] = bytes(data)
        return hashlib.sha256(data).hexdigest()

    async def get(self, key: str) -> bytes:
        """See ports.ObjectStore."""
        return self._objects[key]

    async def delete(self, keys: Sequence[str]) -> None:
        """See ports.ObjectStore."""
        for key in keys:
            self._objects.pop(key, None)

    async def list(self, prefix: str, limit: int) -> list[str]:
        """See ports.ObjectStore."""
        return sorted(key for key in self._objects if key.startswith(prefix))[:limit]
