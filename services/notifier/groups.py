"""What consumer groups have finished, as read from Kafka; see stages.Groups."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from parking.core.errors import Retryable
from parking.core.topics import TOPICS
from parking.runtime.kafka import KafkaSettings, new_consumer
from parking.wire.ports import Place
from services.notifier.log import Bounds

LIMIT_S: Final = 3.0


class KafkaGroups:
    """stages.Groups over two connections, which are reopened after each failure."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._admin: AIOKafkaAdminClient | None = None
        self._consumer: AIOKafkaConsumer | None = None

    async def committed(self, group: str) -> Mapping[Place, int]:
        """See stages.Groups."""
        async with self._request():
            if self._admin is None:
                self._admin = AIOKafkaAdminClient(**self._settings.client())
                await self._admin.start()
            offsets = await self._admin.list_consumer_group_offsets(group)
        return {(p.topic, p.partition): one.offset for p, one in offsets.items()}

    async def bounds(self, *topics: str) -> Bounds:
        """See stages.Groups."""
        places = [TopicPartition(t, p) for t in topics for p in range(TOPICS[t].partitions)]
        async with self._request():
            if self._consumer is None:
                self._consumer = new_consumer(self._settings)
                await self._consumer.start()
            first = await self._consumer.beginning_offsets(places)
            end = await self._consumer.end_offsets(places)
        return {(p.topic, p.partition): (first[p], end[p]) for p in places}

    async def close(self) -> None:
        """Close the connections."""
        admin, self._admin = self._admin, None
        consumer, self._consumer = self._consumer, None
        if admin is not None:
            await admin.close()
        if consumer is not None:
            await consumer.stop()

    @asynccontextmanager
    async def _request(self) -> AsyncIterator[None]:
        """Turn a failure into Retryable."""
        try:
            async with asyncio.timeout(LIMIT_S):
                yield
        except (TimeoutError, KafkaError, OSError) as error:
            await self.close()
            raise Retryable(f"Kafka did not report the groups' progress: {error!r}") from error
