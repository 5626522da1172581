"""Kafka: a transactional producer for each partition, the reader of what is kept, and the group."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka import errors as failures
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from parking.errors import Fenced, Retryable
from parking.faults import fault
from parking.kafka import KafkaSettings, to_record
from parking.kafkalog import new_transactions, read_up_to
from parking.ports import Outgoing, Record
from parking.topicids import log_ids
from parking.topics import (
    SITE_MAX_BYTES,
    TRACKER_BATCHES,
    TRACKER_CHECKPOINTS,
    TRACKER_GROUP,
    of_run,
)
from services.tracker.handler import SOURCES

log = logging.getLogger(__name__)

T = TypeVar("T")

_ANSWER_LIMIT_S: Final = 20.0
_READ_LIMIT_S: Final = 60.0
_END_LIMIT_S: Final = 3.0
_MAX_RECORDS: Final = 1_000
_FENCED: Final = (failures.ProducerFenced, failures.InvalidProducerEpoch)


class KafkaLog:
    """partition.Log. `reader`: a started consumer without a group, shared by all partitions."""

    def __init__(self, kafka: KafkaSettings, partition: int, reader: "Reader") -> None:
        self._kafka = kafka
        self._partition = partition
        self._reader = reader
        self._producer: AIOKafkaProducer | None = None

    async def fence(self) -> None:
        """See partition.Log."""
        await self.close()
        name = f"{self._kafka.named(TRACKER_GROUP)}-{self._partition}"
        # Its start takes the transactional id: Kafka ends what its last holder left open, and
        # refuses it from here on.
        self._producer = new_transactions(self._kafka, name, SITE_MAX_BYTES)
        await _answer("let a writer begin", self._producer.start())

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
        return await _answer("take a transaction", self._transaction(producer, messages, ours))

    async def close(self) -> None:
        """See partition.Log."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            async with asyncio.timeout(_END_LIMIT_S):
                await producer.stop()
        except (KafkaError, TimeoutError, asyncio.CancelledError) as error:
            log.warning("the writer of partition %d did not end well: %r", self._partition, error)

    async def _transaction(
        self,
        producer: AIOKafkaProducer,
        messages: Sequence[Outgoing],
        offsets: Mapping[TopicPartition, int],
    ) -> list[tuple[int, int]]:
        await producer.begin_transaction()
        sent = [
            await producer.send(
                of_run(message.topic, self._kafka.run),
                message.value,
                key=message.key,
                partition=message.partition,
                headers=list(message.headers),
            )
            for message in messages
        ]
        if offsets:
            group = self._kafka.named(TRACKER_GROUP)
            await producer.send_offsets_to_transaction(offsets, group)
        placed = await asyncio.gather(*sent)
        fault("tracker.in-transaction")
        await producer.commit_transaction()
        return [(one.partition, one.offset) for one in placed]

    def _place(self, topic: str) -> TopicPartition:
        return TopicPartition(self._kafka.named(topic), self._partition)


class Reader:
    """Reads parts of logs, one request after the other, by a consumer without a group."""

    def __init__(self, kafka: KafkaSettings, consumer: AIOKafkaConsumer) -> None:
        self._kafka = kafka
        self._consumer = consumer
        self._lock = asyncio.Lock()

    async def read(self, spans: Mapping[TopicPartition, tuple[int, int | None]]) -> list[Record]:
        """Each place from its first offset up to its last one (to its end where that is None)."""
        async with self._lock:
            return await _answer(
                "be read", read_up_to(self._consumer, spans), limit_s=_READ_LIMIT_S
            )

    async def topic_ids(self) -> dict[str, str]:
        """Of the input topics, by name."""
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
        """See tracker.Group. Kafka takes a commit from a member of the current generation only."""
        place = min(self._consumer.assignment())
        try:
            at = await _answer("tell an offset", self._consumer.committed(place))
            await _answer("take a commit", self._consumer.commit({place: at or 0}))
        except failures.IllegalStateError as error:
            raise Retryable(f"partitions are dealt out anew: {error!r}") from error

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
        """Partitions with records that this member has not read; None while it has no partition
        though it should. Raises Retryable."""
        assigned = self._consumer.assignment()
        if not assigned:
            client = self._consumer._client  # noqa: SLF001 -- a mere ping
            await _answer("tell its topics", client.fetch_all_metadata())
            coordinator = self._consumer._coordinator  # noqa: SLF001 -- shown nowhere else
            return None if coordinator.generation < 0 else set()
        ends = await _answer("tell its ends", self._consumer.end_offsets(list(assigned)))
        behind = set()
        for place in assigned:
            # Beyond the last record there may be marks of transactions: the position counts them.
            at = await _answer("tell a position", self._consumer.position(place))
            if at < ends[place]:
                behind.add(place.partition)
        return behind

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """The batch in hand is written first; nothing begins after it."""
        del revoked
        async with self._at_work:
            self.generation += 1

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """They rest until they are taken over: it takes too long for a listener."""
        self.generation += 1
        if assigned:
            self._consumer.pause(*assigned)


@asynccontextmanager
async def started(client: Any) -> AsyncIterator[Any]:
    """The Kafka client, started and stopped; Retryable when Kafka is away."""
    try:
        await _answer("be reached", client.start())
        yield client
    finally:
        try:
            async with asyncio.timeout(_END_LIMIT_S):
                await client.stop()
        except (KafkaError, TimeoutError) as error:
            log.warning("a client of Kafka did not end well: %r", error)


async def open_reader(kafka: KafkaSettings, consumer: AIOKafkaConsumer) -> Reader:
    """Once Kafka has every topic: a subscription to one that is not there goes unnoticed. Raises
    Retryable."""
    topics = (*SOURCES, TRACKER_CHECKPOINTS, TRACKER_BATCHES)
    await log_ids(consumer, [kafka.named(topic) for topic in topics])
    return Reader(kafka, consumer)


async def _answer(what: str, asked: Awaitable[T], limit_s: float = _ANSWER_LIMIT_S) -> T:
    try:
        async with asyncio.timeout(limit_s):
            return await asked
    except _FENCED as error:
        raise Fenced from error
    except (KafkaError, TimeoutError) as error:
        raise Retryable(f"Kafka did not {what}: {error!r}") from error
