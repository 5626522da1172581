"""Kafka adapters: a transactional producer for each partition, a reader of its logs, and the
group."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka import errors as failures
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from parking.core.errors import Fenced, Retryable
from parking.core.topics import (
    SITE_MAX_BYTES,
    TRACKER_BATCHES,
    TRACKER_CHECKPOINTS,
    TRACKER_GROUP,
)
from parking.runtime.faults import fault
from parking.runtime.kafka import KafkaSettings, to_record
from parking.runtime.kafkalog import new_transactions, read_up_to, send_batches
from parking.runtime.topicids import log_ids
from parking.wire.ports import Outgoing, Record
from services.tracker.handler import SOURCES

log = logging.getLogger(__name__)

T = TypeVar("T")

_ANSWER_LIMIT_S: Final = 20.0
_READ_LIMIT_S: Final = 60.0
_END_LIMIT_S: Final = 3.0
_MAX_RECORDS: Final = 1_000
_FENCED: Final = (failures.ProducerFenced, failures.InvalidProducerEpoch)


class KafkaLog:
    """partition.Log. `reader` is a started consumer without a group, shared by all partitions."""

    def __init__(self, kafka: KafkaSettings, partition: int, reader: "Reader") -> None:
        self._kafka = kafka
        self._partition = partition
        self._reader = reader
        self._producer: AIOKafkaProducer | None = None

    async def fence(self) -> None:
        """See partition.Log."""
        await self.close()
        name = f"{self._kafka.named(TRACKER_GROUP)}-{self._partition}"
        # Starting it takes over the transactional id: Kafka aborts what its last owner left open
        # and refuses that owner from now on.
        self._producer = new_transactions(self._kafka, name, SITE_MAX_BYTES)
        await _answer("accept a writer", self._producer.start())

    async def topic_ids(self) -> dict[str, str]:
        """See partition.Log."""
        return await self._reader.topic_ids()

    async def checkpoint(self) -> list[Record]:
        """See partition.Log."""
        return await self._reader.read({self._place(TRACKER_CHECKPOINTS): (0, None)})

    async def batches(self, first: int) -> list[Record]:
        """See partition.Log."""
        return await self._reader.read({self._place(TRACKER_BATCHES): (first, None)})

    async def inputs(self, first: Mapping[str, int], last: Mapping[str, int]) -> list[Record]:
        """See partition.Log."""
        return await self._reader.read(
            {
                TopicPartition(topic, self._partition): (first.get(topic, 0), end)
                for topic, end in last.items()
            }
        )

    async def write(
        self, messages: Sequence[Outgoing], offsets: Mapping[str, int]
    ) -> list[tuple[int, int]]:
        """See partition.Log."""
        producer = self._producer
        if producer is None:
            raise Retryable("not begun yet")
        ours = {TopicPartition(topic, self._partition): at for topic, at in offsets.items()}
        return await _answer("accept a transaction", self._transaction(producer, messages, ours))

    async def close(self) -> None:
        """See partition.Log."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            async with asyncio.timeout(_END_LIMIT_S):
                await producer.stop()
        except (KafkaError, TimeoutError, asyncio.CancelledError) as error:
            log.warning("stopping the writer of partition %d failed: %r", self._partition, error)

    async def _transaction(
        self,
        producer: AIOKafkaProducer,
        messages: Sequence[Outgoing],
        offsets: Mapping[TopicPartition, int],
    ) -> list[tuple[int, int]]:
        await producer.begin_transaction()
        written = await send_batches(producer, messages, self._kafka.run)
        if offsets:
            group = self._kafka.named(TRACKER_GROUP)
            await producer.send_offsets_to_transaction(offsets, group)
        fault("tracker.in-transaction")
        await producer.commit_transaction()
        return written

    def _place(self, topic: str) -> TopicPartition:
        return TopicPartition(self._kafka.named(topic), self._partition)


class Reader:
    """Reads parts of logs, one request after the other, with a consumer without a group."""

    def __init__(self, kafka: KafkaSettings, consumer: AIOKafkaConsumer) -> None:
        self._kafka = kafka
        self._consumer = consumer
        self._lock = asyncio.Lock()

    async def read(self, spans: Mapping[TopicPartition, tuple[int, int | None]]) -> list[Record]:
        """Read each place from its first offset up to its last one (to its end if None)."""
        async with self._lock:
            return await _answer(
                "be read", read_up_to(self._consumer, spans), limit_s=_READ_LIMIT_S
            )

    async def topic_ids(self) -> dict[str, str]:
        """The ids of the input topics, keyed by name."""
        async with self._lock:
            ids = await log_ids(self._consumer, [self._kafka.named(topic) for topic in SOURCES])
            return dict(ids.topic_ids)


class KafkaGroup(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """tracker.Group over a started consumer of the group."""

    def __init__(self, consumer: AIOKafkaConsumer, topics: Sequence[str]) -> None:
        self.generation = 0
        self._consumer = consumer
        self._topics = topics
        self._at_work = asyncio.Lock()

    def subscribe(self, at_work: asyncio.Lock) -> None:
        """Join the group at the next poll. A rebalance waits for the lock."""
        self._at_work = at_work
        self._consumer.subscribe(list(self._topics), listener=self)

    def partitions(self) -> set[int]:
        """See tracker.Group."""
        return {place.partition for place in self._consumer.assignment()}

    async def confirm(self) -> None:
        """See tracker.Group. Kafka accepts a commit only from a member of the current
        generation."""
        place = min(self._consumer.assignment())
        try:
            at = await _answer("return an offset", self._consumer.committed(place))
            await _answer("accept a commit", self._consumer.commit({place: at or 0}))
        except failures.IllegalStateError as error:
            raise Retryable(f"partitions are being reassigned: {error!r}") from error

    def read_from(self, offsets: Mapping[int, Mapping[str, int]]) -> None:
        """See tracker.Group."""
        for place in self._consumer.assignment():
            self._consumer.seek(place, offsets[place.partition].get(place.topic, 0))
        self._consumer.resume(*self._consumer.assignment())

    async def getmany(self, timeout_ms: int) -> list[Record]:
        """See tracker.Group."""
        try:
            batches = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=_MAX_RECORDS)
        except KafkaError as error:
            raise Retryable(f"Kafka could not be read: {error!r}") from error
        return [to_record(message) for batch in batches.values() for message in batch]

    async def behind(self) -> set[int] | None:
        """Partitions with records that this member has not read, or None while it has no partition
        but should have one. Raises Retryable."""
        assigned = self._consumer.assignment()
        if not assigned:
            client = self._consumer._client  # noqa: SLF001 -- a mere ping
            await _answer("return its topics", client.fetch_all_metadata())
            coordinator = self._consumer._coordinator  # noqa: SLF001 -- shown nowhere else
            return None if coordinator.generation < 0 else set()
        ends = await _answer("return its end offsets", self._consumer.end_offsets(list(assigned)))
        behind = set()
        for place in assigned:
            # Transaction markers may follow the last record, and the position counts them.
            at = await _answer("return a position", self._consumer.position(place))
            if at < ends[place]:
                behind.add(place.partition)
        return behind

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Wait until the batch in progress is written. Nothing starts after it."""
        del revoked
        async with self._at_work:
            self.generation += 1

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Partitions stay paused until they are taken over, which takes too long for a listener."""
        self.generation += 1
        if assigned:
            self._consumer.pause(*assigned)


@asynccontextmanager
async def started(client: Any) -> AsyncIterator[Any]:
    """Start the Kafka client and stop it at the end. Raises Retryable if Kafka is down."""
    try:
        await _answer("be reached", client.start())
        yield client
    finally:
        try:
            async with asyncio.timeout(_END_LIMIT_S):
                await client.stop()
        except (KafkaError, TimeoutError) as error:
            log.warning("stopping a Kafka client failed: %r", error)


async def open_reader(kafka: KafkaSettings, consumer: AIOKafkaConsumer) -> Reader:
    """Check that Kafka has every topic, because a subscription to a missing one goes unnoticed.
    Raises Retryable."""
    topics = (*SOURCES, TRACKER_CHECKPOINTS, TRACKER_BATCHES)
    await log_ids(consumer, [kafka.named(topic) for topic in topics])
    return Reader(kafka, consumer)


async def _answer(what: str, request: Awaitable[T], limit_s: float = _ANSWER_LIMIT_S) -> T:
    try:
        async with asyncio.timeout(limit_s):
            return await request
    except _FENCED as error:
        raise Fenced from error
    except (KafkaError, TimeoutError) as error:
        raise Retryable(f"Kafka did not {what}: {error!r}") from error
