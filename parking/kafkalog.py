"""Kafka clients for who owns partitions of several topics: a group in which one member gets the
same partition number of every topic, transactions that fence off an earlier owner, and reading a
part of a log."""

from collections.abc import Mapping
from dataclasses import replace

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from parking.kafka import KafkaSettings, new_consumer, new_producer, to_record
from parking.partitioning import partitioner
from parking.ports import Record

_TRANSACTION_MS = 30_000
# Where only the end of a transaction is left to be read, nothing comes and the position moves.
_POLL_MS = 20


def new_owner(settings: KafkaSettings, group: str, session_s: float) -> AIOKafkaConsumer:
    """A consumer as `new_consumer` makes it. Topics with equally many partitions are dealt out
    alike, so a member has the same numbers of each. Not started."""
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
    """A producer that writes in transactions, records of up to `max_bytes`. Its start ends what the
    last holder of the id left open, and fences it off. Not started."""
    larger = replace(settings, frame_max_bytes=max(max_bytes, settings.frame_max_bytes))
    return new_producer(
        larger,
        transactional_id=transactional_id,
        transaction_timeout_ms=_TRANSACTION_MS,
        partitioner=partitioner,
    )


def new_reader(settings: KafkaSettings) -> AIOKafkaConsumer:
    """A consumer for `read_up_to`: an answer without records does not take half a second. Not
    started."""
    return new_consumer(settings, fetch_max_wait_ms=_POLL_MS)


async def read_up_to(
    consumer: AIOKafkaConsumer, spans: Mapping[TopicPartition, tuple[int, int | None]]
) -> list[Record]:
    """Of each partition the records from an offset up to another (None: to its end, as it is now),
    by a started consumer without a group. What is there no more is passed over."""
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
        consumer.unsubscribe()  # else it would go on asking for more
    ends_at = {(place.topic, place.partition): end for place, end in last.items()}
    return [record for record in records if record.offset < ends_at[record.topic, record.partition]]
