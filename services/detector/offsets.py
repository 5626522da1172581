"""The detector group's frames and offsets in Kafka, and the metadata of those offsets."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from parking.core.errors import Retryable
from parking.runtime.kafka import KafkaConsumer, OnAssigned
from parking.wire.ports import Place, Record
from services.detector.suspects import Committed

T = TypeVar("T")

_ANSWER_LIMIT_S: Final = 10.0


class GroupLog:
    """attempts.Offsets and lag.Group over a started AIOKafkaConsumer. If Kafka does not answer
    within ten seconds, that counts as an outage; aiokafka alone would wait for ever."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._records = KafkaConsumer(consumer)

    async def getmany(self, timeout_ms: int, max_records: int) -> list[Record]:
        """See ports.Consumer."""
        return await self._records.getmany(timeout_ms, max_records)

    async def commit(self, offsets: Mapping[Place, Committed]) -> None:
        """See attempts.Offsets."""
        ours = {place: mark for place, mark in offsets.items() if place in self.assigned()}
        marks = {TopicPartition(*place): OffsetAndMetadata(*mark) for place, mark in ours.items()}
        try:
            if marks:
                await self._answer("take the commit", self._consumer.commit(marks))
        except (CommitFailedError, IllegalStateError):
            return  # a rebalance took the partitions, and their new owner reads these records again

    async def committed(self, places: Collection[Place]) -> dict[Place, Committed]:
        """See attempts.Offsets."""
        coordinator = self._consumer._coordinator  # noqa: SLF001 -- committed() returns no metadata
        request = coordinator.fetch_committed_offsets([TopicPartition(*place) for place in places])
        found = await self._answer("return the group's committed offsets", request)
        return {
            (at.topic, at.partition): Committed(mark.offset, mark.metadata or "")
            for at, mark in found.items()
        }

    async def ends(self, places: Collection[Place]) -> dict[Place, int]:
        """See attempts.Offsets."""
        request = self._consumer.end_offsets([TopicPartition(*place) for place in places])
        found = await self._answer("return its last offsets", request)
        return {(at.topic, at.partition): offset for at, offset in found.items()}

    async def begins(self, places: Collection[Place]) -> dict[Place, int]:
        """Return the offset of the first remaining record of each place."""
        request = self._consumer.beginning_offsets([TopicPartition(*place) for place in places])
        found = await self._answer("return its first offsets", request)
        return {(at.topic, at.partition): offset for at, offset in found.items()}

    def assigned(self) -> set[Place]:
        """Return this member's partitions."""
        return {(place.topic, place.partition) for place in self._consumer.assignment()}

    async def joined(self) -> bool:
        """Return whether this detector is a member of the group. Raises Retryable."""
        client = self._consumer._client  # noqa: SLF001 -- a mere ping
        await self._answer("return its topics", client.fetch_all_metadata())
        coordinator = self._consumer._coordinator  # noqa: SLF001 -- aiokafka shows it nowhere else
        return int(coordinator.generation) >= 0

    async def _answer(self, what: str, request: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(_ANSWER_LIMIT_S):
                return await request
        except (CommitFailedError, IllegalStateError):
            raise
        except (KafkaError, TimeoutError) as error:
            raise Retryable(f"Kafka did not {what}: {error!r}") from error


class OnDealtOut(OnAssigned):
    """Calls `revoked()` before each rebalance and waits for it; then calls `assigned(places)`."""

    def __init__(
        self, assigned: Callable[[set[Place]], None], revoked: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(assigned)
        self._revoked = revoked

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Let the service finish its current work."""
        del revoked
        await self._revoked()
