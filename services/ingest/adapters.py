"""Ingest's Kafka adapter: a producer that is replaced after any failure."""

import asyncio
from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from parking.core.errors import Refused, Retryable
from parking.runtime.kafka import KafkaProducer, KafkaSettings, new_producer
from parking.wire.ports import Outgoing

_STOP_LIMIT_S: Final = 3.0


class SteadyProducer:
    """A ports.Producer that starts itself, and restarts after a send fails or takes too long.

    An idempotent producer that has given up a batch has a gap in its sequence numbers, and the
    broker refuses everything after it (aiokafka#1017). Records that are written twice because of a
    restart have the same id.
    """

    def __init__(self, settings: KafkaSettings, topics: Sequence[str], limit_s: float) -> None:
        self._settings = settings
        self._topics = topics
        self._limit_s = limit_s
        self._starting = asyncio.Lock()
        self._producer: AIOKafkaProducer | None = None

    async def send(self, messages: Sequence[Outgoing]) -> list[tuple[int, int]]:
        """See ports.Producer; takes at most `limit_s` seconds. An empty list only connects and
        checks the topics."""
        producer = None
        try:
            async with asyncio.timeout(self._limit_s):
                producer = await self._started()
                return await KafkaProducer(producer).send(messages)
        except TimeoutError as error:
            await self._discard(producer)
            raise Retryable(f"Kafka did not answer within {self._limit_s:.0f} s") from error
        except (Retryable, Refused):
            await self._discard(producer)
            raise
        except KafkaError as error:
            await self._discard(producer)
            raise Retryable(f"Kafka's producer must be recreated: {error!r}") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._discard(self._producer)

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = new_producer(self._settings)
                try:
                    await producer.start()
                    await self._require_topics(producer)
                except KafkaError as error:
                    await _end(producer)
                    raise Retryable(f"Kafka cannot be reached: {error}") from error
                except BaseException:
                    await _end(producer)
                    raise
                self._producer = producer
            return self._producer

    async def _require_topics(self, producer: AIOKafkaProducer) -> None:
        metadata = await producer.client.fetch_all_metadata()
        missing = [topic for topic in self._topics if not metadata.partitions_for_topic(topic)]
        if missing:
            raise Retryable(f"Kafka has no topic {', '.join(missing)}: run `parking topics apply`")

    async def _discard(self, producer: AIOKafkaProducer | None) -> None:
        if producer is None or producer is not self._producer:
            return  # another task has already replaced it
        self._producer = None
        await _end(producer)


async def _end(producer: AIOKafkaProducer) -> None:
    """Stop within a time limit, because aiokafka's stop() waits for batches that an unreachable
    Kafka never accepts."""
    stopping = asyncio.ensure_future(producer.stop())
    done, _ = await asyncio.wait({stopping}, timeout=_STOP_LIMIT_S)
    if not done:
        # Without its sender it can't write anything old after the next producer's records.
        sender = producer._sender.sender_task  # noqa: SLF001 -- there is no other way to abandon it
        if sender is not None:
            sender.cancel()
        await producer.client.close()
        stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
