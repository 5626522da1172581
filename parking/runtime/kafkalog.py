"""Kafka clients for owners of partitions of several topics: a group in which one member gets the
same partition number of every topic, transactions that fence off an earlier owner, and reads of a
part of a log."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from parking.core.topics import of_run
from parking.runtime.kafka import KafkaSettings, new_consumer, new_producer, to_record
from parking.wire.partitioning import partitioner
from parking.wire.ports import Outgoing, Place, Record

_TRANSACTION_MS = 30_000
# If only a transaction's end marker is left, no record arrives but the position still moves.
_POLL_MS = 20


def new_owner(settings: KafkaSettings, group: str, session_s: float) -> AIOKafkaConsumer:
    """A consumer as from `new_consumer`. Topics with the same number of partitions are assigned
    alike, so a member has the same partition numbers in each. Not started."""
    return new_consumer(
        settings,
        group=group,
        partition_assignment_strategy=[RangePartitionAssignor],
        session_timeout_ms=round(session_s * 1000),
        heartbeat_interval_ms=round(session_s * 250),
        rebalance_timeout_ms=round(session_s * 1000),
    )


def new_transactions(
    settings: KafkaSettings, transactional_id: str, max_bytes: int
) -> AIOKafkaProducer:
    """A producer that writes in transactions, records of up to `max_bytes`. Starting it aborts the
    transaction that the last owner of the id left open, and fences off that owner. Not started."""
    larger = replace(settings, frame_max_bytes=max(max_bytes, settings.frame_max_bytes))
    return new_producer(
        larger,
        transactional_id=transactional_id,
        transaction_timeout_ms=_TRANSACTION_MS,
        partitioner=partitioner,
    )


async def send_batches(
    producer: AIOKafkaProducer, messages: Sequence[Outgoing], run: str
) -> list[tuple[int, int]]:
    """Write all messages to the topics of `run`, and return each one's (partition, offset) once all
    are durable. The order within a partition is kept. aiokafka's `send` is expensive for small
    records, so a partition's records are put into batches first. Raises KafkaError, in which case
    some may have been written."""
    topics = {message.topic for message in messages}
    partitions = {t: sorted(await producer.partitions_for(of_run(t, run))) for t in topics}
    places: dict[Place, list[int]] = {}
    for index, message in enumerate(messages):
        every, partition = partitions[message.topic], message.partition
        if partition is None:
            partition = partitioner(message.key, every, every)
        places.setdefault((message.topic, partition), []).append(index)
    begun: list[Awaitable[Any]] = []
    spans: list[tuple[int, list[int]]] = []
    for (topic, partition), indices in places.items():
        while indices:
            batch, count = _filled(producer, messages, indices)
            sent = await producer.send_batch(batch, of_run(topic, run), partition=partition)
            begun.append(sent)
            spans.append((partition, indices[:count]))
            indices = indices[count:]
    written = [(-1, -1)] * len(messages)
    for (partition, indices), first in zip(spans, await asyncio.gather(*begun), strict=True):
        for number, index in enumerate(indices):
            written[index] = (partition, first.offset + number)
    return written


def _filled(
    producer: AIOKafkaProducer, messages: Sequence[Outgoing], indices: Sequence[int]
) -> tuple[Any, int]:
    """Return a batch with the first of these messages, at least one, and their number."""
    batch = producer.create_batch()
    for count, index in enumerate(indices):
        one = messages[index]
        if not batch.append(key=one.key, value=one.value, timestamp=None, headers=[*one.headers]):
            return batch, count
    batch.close()
    return batch, len(indices)


def new_reader(settings: KafkaSettings) -> AIOKafkaConsumer:
    """A consumer for `read_up_to` that does not wait half a second for an empty answer. Not
    started."""
    return new_consumer(settings, fetch_max_wait_ms=_POLL_MS)


async def read_up_to(
    consumer: AIOKafkaConsumer, spans: Mapping[TopicPartition, tuple[int, int | None]]
) -> list[Record]:
    """Return each partition's records from one offset up to another (None for its current end),
    using a started consumer without a group. Deleted records are skipped."""
    places = list(spans)
    consumer.assign(places)
    begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    last = {p: ends[p] if end is None else min(end, ends[p]) for p, (_, end) in spans.items()}
    for place, (first, _) in spans.items():
        consumer.seek(place, min(max(first, begins[place]), ends[place]))
    records: list[Record] = []
    try:
        while left := [place for place in places if await consumer.position(place) < last[place]]:
            for batch in (await consumer.getmany(*left, timeout_ms=_POLL_MS)).values():
                records += [to_record(message) for message in batch]
    finally:
        consumer.unsubscribe()  # otherwise it keeps requesting more
    ends_at = {(place.topic, place.partition): end for place, end in last.items()}
    return [record for record in records if record.offset < ends_at[record.topic, record.partition]]
