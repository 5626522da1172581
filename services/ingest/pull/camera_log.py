"""Reads the whole of parking.cameras, then follows it."""

import asyncio

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from parking.core.errors import Retryable
from parking.core.topics import CAMERAS
from parking.runtime.kafka import KafkaSettings, new_consumer, to_record
from parking.runtime.ops import Health
from parking.runtime.retry import retry
from parking.wire.ports import Clock
from services.ingest.pull.stored import StoredCameras

_POLL_MS = 500
_PLACE = TopicPartition(CAMERAS, 0)


async def follow_cameras(
    stop: asyncio.Event,
    *,
    kafka: KafkaSettings,
    stored: StoredCameras,
    clock: Clock,
    health: Health,
) -> None:
    """Follow the topic until `stop` is set. After an outage it is read again from its start. Until
    it has been read once, /readyz says why it has not."""

    def say(reason: str) -> None:
        if not stored.ready:
            health.still["cameras"] = reason

    while not stop.is_set():
        await retry(lambda: _follow(stop, kafka, stored, health), clock, stop, waiting=say)


async def _follow(
    stop: asyncio.Event, kafka: KafkaSettings, stored: StoredCameras, health: Health
) -> None:
    consumer = new_consumer(kafka)
    try:
        await consumer.start()
        if CAMERAS not in await consumer.topics():
            raise Retryable(
                f"Kafka has no topic {CAMERAS}: run `parking topics apply` and `parking acls apply`"
            )
        consumer.assign([_PLACE])
        await consumer.seek_to_beginning(_PLACE)
        end = (await consumer.end_offsets([_PLACE]))[_PLACE]
        while not stop.is_set():
            batches = await consumer.getmany(_PLACE, timeout_ms=_POLL_MS)
            for message in batches.get(_PLACE, ()):
                stored.apply(to_record(message))
            if not stored.ready and await consumer.position(_PLACE) >= end:
                stored.ready = True
                health.still.pop("cameras", None)
    except KafkaError as error:
        raise Retryable(f"{CAMERAS} could not be read: {error!r}") from error
    finally:
        await consumer.stop()
