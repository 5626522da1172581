"""Kafka adapters that consume from positions stored in Postgres and fetch frames as evidence."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from parking.core.errors import Fenced, Retryable
from parking.core.events import FrameRef
from parking.runtime.faults import fault
from parking.runtime.kafka import KafkaConsumer, OnAssigned, to_record
from parking.runtime.topicids import log_ids
from parking.wire.ports import Claim, EventStore, Place, Record
from services.persister.evidence import Missing

_ANSWER_LIMIT_S: Final = 10.0

log = logging.getLogger(__name__)


class PlaceKeeper:
    """ports.Consumer that continues from the event store's positions, under a claim.

    After every rebalance the partitions stay paused until they are claimed in the event store for
    the group's new generation and sought to its offsets. A commit to Kafka follows only for lag
    displays. `waiting` is called with each outage meanwhile, and with None at its end; `assigned`
    with the numbers of the partitions after each rebalance.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        topics: Sequence[str],
        events: EventStore,
        waiting: Callable[[Retryable | None], None] = lambda _: None,
        assigned: Callable[[set[int]], None] = lambda _: None,
    ) -> None:
        self._consumer = consumer
        self._inner = KafkaConsumer(consumer)
        self._topics = topics
        self._events = events
        self._claim: Claim | None = None
        self._waiting = waiting
        self._keep = assigned
        self._done: dict[Place, int] = {}
        self._taken: dict[Place, int] = {}

    def subscribe(self) -> None:
        """Join the group at the consumer's next poll."""
        self._consumer.subscribe(list(self._topics), listener=OnAssigned(self._assigned))

    @property
    def claim(self) -> Claim:
        """The claim under which the records of the last `getmany` were read."""
        if self._claim is None:
            raise Fenced
        return self._claim

    def drop(self) -> None:
        """Drop the current work, which was fenced off. Claim and seek again before the next
        record."""
        self._claim = None

    async def getmany(self, timeout_ms: int, max_records: int) -> list[Record]:
        """See ports.Consumer. Also returns [] when a rebalance happened meanwhile."""
        if self._claim is None:
            try:
                await self._settle()
            except Retryable as error:
                self._waiting(error)
                raise
        claim = self._claim
        records = await self._inner.getmany(timeout_ms, max_records)
        if claim is None or self._claim is not claim:
            return []
        self._taken |= {(r.topic, r.partition): r.offset + 1 for r in records}
        return records

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """See ports.Consumer. Does nothing for dropped work."""
        self._done |= offsets
        if self._claim is not None:
            await self._inner.commit(offsets)
            fault("persister.after-commit")

    async def seek(self, offsets: Mapping[Place, int]) -> None:
        """See ports.Consumer."""
        await self._inner.seek(offsets)

    async def behind(self) -> bool:
        """Whether records or partitions are waiting. False while Kafka does not answer, and for a
        member for which the group has no partitions."""
        assigned = self._consumer.assignment()
        try:
            async with asyncio.timeout(_ANSWER_LIMIT_S):
                if not assigned:
                    await self._consumer._client.fetch_all_metadata()  # noqa: SLF001 -- a mere ping
                    return self._generation() < 0
                end = await self._consumer.end_offsets(assigned)
                if self._claim is None:
                    return True
                # Ends of transactions take offsets, so beyond the last record only the position is
                # right.
                read = {place: await self._consumer.position(place) for place in assigned}
        except (KafkaError, TimeoutError):
            return False
        in_hand = any(self._done.get(place, 0) < at for place, at in self._taken.items())
        return in_hand or any(read[place] < end[place] for place in assigned)

    def _assigned(self, places: set[Place]) -> None:
        # aiokafka logs and ignores what a listener raises, so getmany does the work.
        self._claim = None
        self._keep({partition for _, partition in places})
        self._consumer.pause(*_partitions(places))

    async def _settle(self) -> None:
        """Claim the assigned partitions, seek, and start reading."""
        assigned = self._consumer.assignment()
        generation = self._generation()
        if not assigned or generation < 0:
            return  # still joining: the poll that follows waits
        self._consumer.pause(*assigned)
        ids = await log_ids(self._consumer, self._topics)
        claim = Claim(ids.cluster_id, ids.topic_ids, generation)
        places = [(place.topic, place.partition) for place in sorted(assigned)]
        offsets = await self._hold(claim, places)
        if generation != self._generation() or assigned != self._consumer.assignment():
            return  # a rebalance happened meanwhile; its own claim follows
        await self._inner.seek(offsets)
        self._done, self._taken = dict(offsets), {}
        self._consumer.resume(*assigned)
        self._claim = claim
        self._waiting(None)
        log.info("%d partitions owned in generation %d", len(places), generation)

    async def _hold(self, claim: Claim, places: list[Place]) -> dict[Place, int]:
        try:
            return await self._events.claim(claim, places, {})
        except Fenced as fenced:
            # Either another member has taken over, or Kafka forgot the group and counts from 1
            # again (it was empty for offsets.retention.minutes). Kafka decides: it accepts a commit
            # only from a member of the current generation.
            generations = fenced.generations
        try:
            await self._consumer.commit(dict.fromkeys(_partitions(generations), 0))
        except (KafkaError, IllegalStateError) as error:
            raise Retryable(
                f"another member owns {len(generations)} partitions: {error!r}"
            ) from error
        log.warning("the group counts its generations from 1 again: replacing %s", generations)
        try:
            return await self._events.claim(claim, places, generations)
        except Fenced as fenced:
            raise Retryable(str(fenced)) from fenced

    def _generation(self) -> int:
        coordinator = self._consumer._coordinator  # noqa: SLF001 -- aiokafka shows it nowhere else
        return int(coordinator.generation)


class FrameFetcher:
    """Fetch single frames by their place in Kafka, with a second consumer without a group that is
    paused in between."""

    def __init__(self, consumer: AIOKafkaConsumer, timeout_ms: int = 5_000) -> None:
        self._consumer = consumer
        self._timeout_ms = timeout_ms

    async def __call__(self, ref: FrameRef) -> Record | Missing:
        """The frame's record, or why there is none. Raises Retryable on an outage."""
        place = TopicPartition(ref.topic, ref.partition)
        try:
            return await self._fetch(place, ref)
        except KafkaError as error:
            raise Retryable(
                f"frame {ref.frame_id} could not be read from Kafka: {error!r}"
            ) from error

    async def _fetch(self, place: TopicPartition, ref: FrameRef) -> Record | Missing:
        if place not in self._consumer.assignment():
            self._consumer.assign([place])
        self._consumer.seek(place, ref.offset)
        self._consumer.resume(place)
        batch = await self._consumer.getmany(place, timeout_ms=self._timeout_ms, max_records=1)
        # Pause before anything else runs: at the log's end a prefetch would wait for the next
        # frame, and our next request behind it.
        self._consumer.pause(place)
        record = to_record(batch[place][0]) if batch else None
        if record is not None and record.offset == ref.offset:
            return record
        # Either the offset was out of range, so reading restarted at the earliest one, or Kafka is
        # slow.
        if ref.offset < (await self._consumer.beginning_offsets([place]))[place]:
            return "expired"
        if ref.offset >= (await self._consumer.end_offsets([place]))[place]:
            return "beyond-the-end"
        raise Retryable(f"frame {ref.frame_id} did not arrive within {self._timeout_ms} ms")


def _partitions(places: set[Place] | Mapping[Place, int]) -> list[TopicPartition]:
    return [TopicPartition(*place) for place in places]
