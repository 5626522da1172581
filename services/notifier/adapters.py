"""The notifier's adapters: the log in Kafka and the log in memory. For Postgres see history.py."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from parking.core.errors import Refused, Retryable
from parking.core.topics import TOPICS
from parking.runtime.kafka import (
    KafkaProducer,
    KafkaSettings,
    new_consumer,
    new_producer,
    to_record,
)
from parking.runtime.memory import MemoryBroker
from parking.wire.ports import Outgoing, Place, Record
from services.notifier.log import Bounds

REQUEST_LIMIT_S: Final = 10.0
READ_LIMIT_S: Final = 120.0
# How long reading a whole topic may make no progress. The reading as a whole may take any time.
STALL_LIMIT_S: Final = 30.0
POLL_MS: Final = 500
BATCH_RECORDS: Final = 1000


class KafkaLog:
    """log.Log over one shared consumer for reads (one at a time) and a separate one for each
    tail."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._lock = asyncio.Lock()
        self._reached: dict[Place, int] = {}

    async def cluster_id(self) -> str:
        """See log.Log."""
        admin = AIOKafkaAdminClient(**self._settings.client())
        async with _outage(REQUEST_LIMIT_S):
            try:
                await admin.start()
                return str((await admin.describe_cluster())["cluster_id"])
            finally:
                await admin.close()

    async def bounds(self, *topics: str) -> Bounds:
        """See log.Log."""
        async with self._lock, _outage(REQUEST_LIMIT_S):
            consumer = await self._reader()
            places = [place for topic in topics for place in await _places(consumer, topic)]
            first = await consumer.beginning_offsets(places)
            end = await consumer.end_offsets(places)
        return {(p.topic, p.partition): (first[p], end[p]) for p in places}

    async def read(self, starts: Mapping[Place, int], ends: Mapping[Place, int]) -> list[Record]:
        """See log.Log."""
        wanted = {p: starts[p] for p in starts if starts[p] < ends[p]}
        records: list[Record] = []
        if not wanted:
            return records
        async with self._lock, _outage(READ_LIMIT_S):
            consumer = await self._reader()
            unread = _assign(consumer, wanted, ends)
            try:
                while unread:
                    records += await _next_batch(consumer, unread)
            finally:
                consumer.unsubscribe()
        return records

    async def scan(
        self, starts: Mapping[Place, int], ends: Mapping[Place, int]
    ) -> AsyncGenerator[list[Record], None]:
        """See log.Log."""
        wanted = {p: starts[p] for p in starts if starts[p] < ends[p]}
        if not wanted:
            return
        consumer = new_consumer(self._settings)
        try:
            async with _outage(REQUEST_LIMIT_S):
                await consumer.start()
            unread = _assign(consumer, wanted, ends)
            while unread:
                async with _outage(STALL_LIMIT_S):
                    records = await _next_batch(consumer, unread)
                yield records
        finally:
            await consumer.stop()

    async def tail(self, starts: Mapping[Place, int]) -> AsyncGenerator[list[Record], None]:
        """See log.Log."""
        consumer = new_consumer(self._settings)
        try:
            async with _outage(REQUEST_LIMIT_S):
                await consumer.start()
            _assign(consumer, starts)
            while True:
                batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=BATCH_RECORDS)
                if not batches:
                    self._reached = {p: await consumer.position(TopicPartition(*p)) for p in starts}
                yield [to_record(message) for batch in batches.values() for message in batch]
        except KafkaError as error:
            raise Retryable(f"Kafka could not be read: {error!r}") from error
        finally:
            await consumer.stop()

    def reached(self) -> Mapping[Place, int]:
        """See log.Log."""
        return self._reached

    async def close(self) -> None:
        """Close the shared consumer."""
        async with self._lock:
            if self._consumer is not None:
                await self._consumer.stop()
                self._consumer = None

    async def _reader(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = new_consumer(self._settings)
            try:
                await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
            self._consumer = consumer
        return self._consumer


class LateProducer:
    """A ports.Producer that connects on first use, so that the notifier can start before Kafka and
    report why it is not ready."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()

    async def send(self, messages: Sequence[Outgoing]) -> list[tuple[int, int]]:
        """See ports.Producer."""
        async with self._lock:
            producer = self._producer or await self._started()
            self._producer = producer
        try:
            return await KafkaProducer(producer).send(messages)
        except (Refused, KafkaError) as error:
            await self._discard(producer)
            if isinstance(error, Refused):
                raise
            raise Retryable(f"Kafka's producer must be recreated: {error!r}") from error

    async def _discard(self, producer: AIOKafkaProducer) -> None:
        """Discard the producer, because a record refused by Kafka may leave a gap in its
        numbering."""
        async with self._lock:
            ours = self._producer is producer
            if ours:
                self._producer = None
        if ours:  # otherwise another request has done it
            await producer.stop()

    async def close(self) -> None:
        """Send buffered messages, then disconnect."""
        if self._producer is not None:
            await self._producer.stop()

    async def _started(self) -> AIOKafkaProducer:
        producer = new_producer(self._settings)
        try:
            async with _outage(REQUEST_LIMIT_S):
                await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer


class MemoryLog:
    """log.Log over the in-memory broker."""

    def __init__(self, broker: MemoryBroker, cluster_id: str = "memory") -> None:
        self._broker = broker
        self._cluster_id = cluster_id

    async def cluster_id(self) -> str:
        """See log.Log."""
        return self._cluster_id

    async def bounds(self, *topics: str) -> Bounds:
        """See log.Log."""
        places = [(t, p) for t in topics for p in range(TOPICS[t].partitions)]
        return {place: (0, len(self._broker.read(place, 0, 1_000_000))) for place in places}

    async def read(self, starts: Mapping[Place, int], ends: Mapping[Place, int]) -> list[Record]:
        """See log.Log."""
        spans = [(place, start, ends[place] - start) for place, start in starts.items()]
        return [r for p, start, count in spans for r in self._broker.read(p, start, max(0, count))]

    async def scan(
        self, starts: Mapping[Place, int], ends: Mapping[Place, int]
    ) -> AsyncGenerator[list[Record], None]:
        """See log.Log."""
        for place, start in starts.items():
            for at in range(start, ends[place], BATCH_RECORDS):
                yield self._broker.read(place, at, min(BATCH_RECORDS, ends[place] - at))

    async def tail(self, starts: Mapping[Place, int]) -> AsyncGenerator[list[Record], None]:
        """See log.Log."""
        positions = dict(starts)
        while True:
            taken = [r for p, start in positions.items() for r in self._broker.read(p, start, 1000)]
            positions |= {(r.topic, r.partition): r.offset + 1 for r in taken}
            yield taken
            await asyncio.sleep(0.005)

    def reached(self) -> Mapping[Place, int]:
        """See log.Log. The in-memory broker has no transactions."""
        return {}


@asynccontextmanager
async def _outage(limit_s: float) -> AsyncIterator[None]:
    """Treat anything that fails or takes too long inside as an outage: raise Retryable."""
    try:
        async with asyncio.timeout(limit_s):
            yield
    except KafkaError as error:
        raise Retryable(f"Kafka could not be read: {error!r}") from error
    except TimeoutError as error:
        raise Retryable(f"Kafka did not answer within {limit_s:.0f} s") from error


async def _places(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """Return all partitions of a topic, as the brokers report them now."""
    metadata = await consumer._client.fetch_all_metadata()  # noqa: SLF001 -- no public refresh exists
    partitions: set[int] | None = metadata.partitions_for_topic(topic)
    if not partitions:
        raise Retryable(f"topic {topic} does not exist yet: run `parking topics apply`")
    return [TopicPartition(topic, partition) for partition in sorted(partitions)]


def _assign(
    consumer: AIOKafkaConsumer, starts: Mapping[Place, int], ends: Mapping[Place, int] | None = None
) -> dict[TopicPartition, int]:
    """Position the consumer at `starts`; return the ends, for `_next_batch`."""
    consumer.assign([TopicPartition(*place) for place in starts])
    for place, offset in starts.items():
        consumer.seek(TopicPartition(*place), offset)
    return {TopicPartition(*place): ends[place] for place in starts} if ends else {}


async def _next_batch(
    consumer: AIOKafkaConsumer, unread: dict[TopicPartition, int]
) -> list[Record]:
    """Return the next records below their ends, as soon as there are some. Places that were read to
    their end are removed from `unread`. When the last one is removed, the batch may be empty."""
    records: list[Record] = []
    while unread and not records:
        batches = await consumer.getmany(*unread, timeout_ms=POLL_MS, max_records=BATCH_RECORDS)
        for place, batch in batches.items():
            records += [to_record(m) for m in batch if m.offset < unread[place]]
        for place in tuple(unread):
            if await consumer.position(place) >= unread[place]:
                del unread[place]
    return records
