"""Delete all counts, in order to count again from the inputs that Kafka still has."""

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from parking.core.errors import Retryable
from parking.core.topics import ANALYTICS_APP, ANALYTICS_CHANGELOG
from parking.runtime.kafka import (
    KafkaProducer,
    KafkaSettings,
    assign_all,
    new_consumer,
    new_producer,
    read_to_end,
)
from parking.wire.ports import Outgoing
from services.analytics.consumer import SOURCES


async def forget(kafka: KafkaSettings) -> int:
    """Reset the group's offsets to the oldest records, clear the table's changelog, and return how
    many values were deleted. Every worker must be stopped. Raises Retryable if Kafka refuses, as it
    does while a worker runs. It may be called again."""
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
    """Write a tombstone for each key to the partition of its value."""
    consumer: AIOKafkaConsumer = new_consumer(kafka)
    producer = new_producer(kafka)
    try:
        await consumer.start()
        await producer.start()
        values: dict[tuple[int, bytes | None], bytes | None] = {}
        for record in await read_to_end(consumer, await assign_all(consumer, ANALYTICS_CHANGELOG)):
            values[record.partition, record.key] = record.value
        removed = [place for place, value in values.items() if value]
        await KafkaProducer(producer).send(
            [Outgoing(ANALYTICS_CHANGELOG, key, None, partition=part) for part, key in removed]
        )
        return len(removed)
    finally:
        await producer.stop()
        await consumer.stop()
