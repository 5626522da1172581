"""Forget all that was counted, to count it again from the inputs that Kafka still holds."""

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from parking.errors import Retryable
from parking.kafka import (
    KafkaProducer,
    KafkaSettings,
    assign_all,
    new_consumer,
    new_producer,
    read_to_end,
)
from parking.ports import Outgoing
from parking.topics import ANALYTICS_APP, ANALYTICS_CHANGELOG
from services.analytics.adapters import SOURCES


async def forget(kafka: KafkaSettings) -> int:
    """Set the group's offsets back to the oldest records, and clear the table's changelog: returns
    how many values went. Every worker must be stopped. Raises Retryable when Kafka refuses, as it
    does while one runs; it may be called again."""
    try:
        await _rewind(kafka)
        return await _clear(kafka)
    except KafkaError as error:
        raise Retryable(f"Kafka refused (is every worker stopped?): {error!r}") from error


async def _rewind(kafka: KafkaSettings) -> None:
    consumer = new_consumer(kafka, group=ANALYTICS_APP)
    try:
        await consumer.start()
        places = await assign_all(consumer, *SOURCES)
        await consumer.commit(await consumer.beginning_offsets(places))
    finally:
        await consumer.stop()


async def _clear(kafka: KafkaSettings) -> int:
    """A tombstone for each key, in the partition where its value lies."""
    consumer: AIOKafkaConsumer = new_consumer(kafka)
    producer = new_producer(kafka)
    try:
        await consumer.start()
        await producer.start()
        held: dict[tuple[int, bytes | None], bytes | None] = {}
        for record in await read_to_end(consumer, await assign_all(consumer, ANALYTICS_CHANGELOG)):
            held[record.partition, record.key] = record.value
        gone = [place for place, value in held.items() if value]
        await KafkaProducer(producer).send(
            [Outgoing(ANALYTICS_CHANGELOG, key, None, partition=part) for part, key in gone]
        )
        return len(gone)
    finally:
        await producer.stop()
        await consumer.stop()
