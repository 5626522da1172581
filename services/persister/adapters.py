"""The outside world in Kafka: places kept in Postgres, and frames fetched for evidence."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from parking.errors import Fenced, Retryable
from parking.events import FrameRef
from parking.faults import fault
from parking.kafka import KafkaConsumer, OnAssigned, to_record
from parking.ports import Claim, EventStore, Place, Record
from parking.topicids import log_ids
from services.persister.evidence import Missing

_ANSWER_LIMIT_S: Final = 10.0

log = logging.getLogger(__name__)


class PlaceKeeper:
    """ports.Consumer that goes on from where the event store says, under a claim.

    After every rebalance the partitions rest until they are claimed in the event store for the
    group's new generation and sought to its offsets. A commit to Kafka follows for lag displays; it
    decides nothing. `waiting` is called for each outage of the event store that is met meanwhile.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        topics: Sequence[str],
        events: EventStore,
        waiting: Callable[[], None] = lambda: None,
    ) -> None:
        self._consumer = consumer
        self._inner = KafkaConsumer(consumer)
        self._topics = topics
        self._events = events
        self._claim: Claim | None = None
        self._waiting = waiting
        self._done: dict[Place, int] = {}
        self._taken: dict[Place, int] = {}

    def subscribe(self) -> None:
        """Join the group at the consumer's next poll."""
        self._consumer.subscribe(list(self._topics), listener=OnAssigned(self._assigned))

    @property
    def claim(self) -> Claim:
        """What the records of the last `getmany` were read under."""
        if self._claim is None:
            raise Fenced
        return self._claim

    def drop(self) -> None:
        """The work in hand was fenced off: claim and seek again before the next record."""
        self._claim = None

    async def getmany(self, timeout_ms: int, max_records: int) -> list[Record]:
        """See ports.Consumer. [] also when a rebalance came in between."""
        if self._claim is None:
            try:
                await self._settle()
            except Retryable:
                self._waiting()
                raise
        claim = self._claim
        records = await self._inner.getmany(timeout_ms, max_records)
        if claim is None or self._claim is not claim:
            return []
        self._taken |= {(r.topic, r.partition): r.offset + 1 for r in records}
        return records

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """See ports.Consumer. Nothing for dropped work."""
        self._done |= offsets
        if self._claim is not None:
            await self._inner.commit(offsets)
            fault("persister.after-commit")

    async def seek(self, offsets: Mapping[Place, int]) -> None:
        """See ports.Consumer."""
        await self._inner.seek(offsets)

    async def behind(self) -> bool:
        """Whether records wait to be written, or for partitions. False while Kafka does not answer,
        and for a member that the group has nothing for."""
        assigned = self._consumer.assignment()
        try:
            async with asyncio.timeout(_ANSWER_LIMIT_S):
                if not assigned:
                    await self._consumer._client.fetch_all_metadata()  # noqa: SLF001 -- a mere ping
                    return self._generation() < 0
                end = await self._consumer.end_offsets(assigned)
                if self._claim is None:
                    return True
                # Ends of transactions take offsets: beyond the last record only the position tells.
                read = {place: await self._consumer.position(place) for place in assigned}
        except (KafkaError, TimeoutError):
            return False
        in_hand = any(self._done.get(place, 0) < at for place, at in self._taken.items())
        return in_hand or any(read[place] < end[place] for place in assigned)

    def _assigned(self, places: set[Place]) -> None:
        # aiokafka logs and forgets what a listener raises, so the work waits for getmany.
        self._claim = None
        self._consumer.pause(*_partitions(places))

    async def _settle(self) -> None:
        """Claim what is assigned, seek, and let it flow."""
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
            return  # a rebalance came in between; its own claim follows
        await self._inner.seek(offsets)
        self._done, self._taken = dict(offsets), {}
        self._consumer.resume(*assigned)
        self._claim = claim
        log.info("%d partitions held in generation %d", len(places), generation)

    async def _hold(self, claim: Claim, places: list[Place]) -> dict[Place, int]:
        try:
            return await self._events.claim(claim, places, {})
        except Fenced as fenced:
            # Either another member came after us, or Kafka forgot the group and counts from 1
            # again (it was empty for offsets.retention.minutes). Kafka knows: it takes a commit
            # only from a member of the current generation.
            held = fenced.held
        try:
            await self._consumer.commit({place: 0 for place in _partitions(held)})
        except (KafkaError, IllegalStateError) as error:
            raise Retryable(f"another member holds {len(held)} partitions: {error!r}") from error
        log.warning("the group counts its generations from 1 again: replacing %s", held)
        try:
            return await self._events.claim(claim, places, held)
        except Fenced as fenced:
            raise Retryable(str(fenced)) from fenced

    def _generation(self) -> int:
        coordinator = self._consumer._coordinator  # noqa: SLF001 -- aiokafka shows it nowhere else
        return int(coordinator.generation)


class FrameFetcher:
    """Single frames by their place in Kafka: a second consumer, in no group, that rests between."""

    def __init__(self, consumer: AIOKafkaConsumer, timeout_ms: int = 5_000) -> None:
        self._consumer = consumer
        self._timeout_ms = timeout_ms

    async def __call__(self, ref: FrameRef) -> Record | Missing:
        """The frame's record, or why there is none. Raises Retryable on an outage."""
        place = TopicPartition(ref.topic, ref.partition)
        try:
            return await self._fetch(place, ref)
        except KafkaError as error:
            raise Retryable(f"Kafka did not give frame {ref.frame_id}: {error!r}") from error

    async def _fetch(self, place: TopicPartition, ref: FrameRef) -> Record | Missing:
        if place not in self._consumer.assignment():
            self._consumer.assign([place])
        self._consumer.seek(place, ref.offset)
        self._consumer.resume(place)
        batch = await self._consumer.getmany(place, timeout_ms=self._timeout_ms, max_records=1)
        # Before anything else runs: at the log's end a fetch ahead would wait for the next frame,
        # and our next request behind it.
        self._consumer.pause(place)
        record = to_record(batch[place][0]) if batch else None
        if record is not None and record.offset == ref.offset:
            return record
        # Out of range, and so begun again at the earliest; or Kafka is slow.
        if ref.offset < (await self._consumer.beginning_offsets([place]))[place]:
            return "expired"
        if ref.offset >= (await self._consumer.end_offsets([place]))[place]:
            return "beyond-the-end"
        raise Retryable(f"frame {ref.frame_id} did not come within {self._timeout_ms} ms")


def _partitions(places: set[Place] | Mapping[Place, int]) -> list[TopicPartition]:
    return [TopicPartition(*place) for place in places]
