"""The notifier's memory and delays while it reads whole compacted topics that have many records
with few keys."""

import asyncio
import tracemalloc
from collections.abc import AsyncGenerator, Mapping

import pytest

from parking.core.errors import Retryable
from parking.core.topics import CAMERA_STATUS, SESSIONS
from parking.runtime.memory import ManualClock, MemoryBroker
from parking.wire.ports import Outgoing, Place, Record
from services.notifier import tail
from services.notifier.adapters import MemoryLog
from services.notifier.feed import Feed
from services.notifier.log import Bounds
from services.notifier.settings import Limits
from tests.support.notifying import layout, record, session, state, status

RECORDS = 4_000
SITES = 4
BATCH = 200
HOME = (CAMERA_STATUS, 0)


class LongLog(MemoryLog):
    """A partition with many records of a few cameras, each created when it is read."""

    def __init__(self, batch: int = BATCH) -> None:
        super().__init__(MemoryBroker())
        self._batch = batch

    async def bounds(self, *topics: str) -> Bounds:
        found = await super().bounds(*topics)
        return found | ({HOME: (0, RECORDS)} if CAMERA_STATUS in topics else {})

    async def read(self, starts: Mapping[Place, int], ends: Mapping[Place, int]) -> list[Record]:
        return [written(offset) for offset in range(RECORDS)]

    async def scan(
        self, starts: Mapping[Place, int], ends: Mapping[Place, int]
    ) -> AsyncGenerator[list[Record], None]:
        assert (starts[HOME], ends[HOME]) == (0, RECORDS)
        for at in range(0, RECORDS, self._batch):
            yield [written(offset) for offset in range(at, min(RECORDS, at + self._batch))]


def written(offset: int) -> Record:
    made: Outgoing = record(status(f"site-{offset % SITES}", 1 + offset // SITES))
    return Record(*HOME, offset, made.key, made.value, made.headers, 0)


async def peak_bytes(log: LongLog) -> int:
    feed = Feed(log, ManualClock(), Limits())
    tracemalloc.start()
    try:
        await tail.start(log, feed)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    newest = {camera: held.version for camera, held in feed.state.statuses.items()}
    assert newest == {f"site-{n}/north": RECORDS // SITES for n in range(SITES)}
    assert feed.positions[HOME] == RECORDS
    return peak


async def test_the_start_holds_a_batch_and_the_keys_not_all_records():
    # The control: all in one batch, as one list of them would be.
    assert await peak_bytes(LongLog()) * 5 < await peak_bytes(LongLog(RECORDS))


async def test_others_get_their_turn_while_the_topics_are_read():
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    log = LongLog()
    counting = asyncio.ensure_future(count())
    await tail.start(log, Feed(log, ManualClock(), Limits()))
    counting.cancel()
    assert turns >= RECORDS // BATCH - 1


class Breaking(MemoryLog):
    """A log that is interrupted once, after one batch."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker)
        self.breaks = 1

    async def scan(
        self, starts: Mapping[Place, int], ends: Mapping[Place, int]
    ) -> AsyncGenerator[list[Record], None]:
        async for records in super().scan(starts, ends):
            yield records
            if self.breaks:
                self.breaks -= 1
                raise Retryable("away")


async def test_an_interrupted_start_shows_nothing_and_the_next_one_starts_over():
    broker = MemoryBroker()
    for message in (
        layout("demo"),
        status("demo", 5),
        state("demo", 2),
        session("demo", 1, "opened"),
    ):
        broker.append(record(message))
    log = Breaking(broker)
    feed = Feed(log, ManualClock(), Limits())
    with pytest.raises(Retryable):
        await tail.start(log, feed)
    assert feed.state.site_ids() == []
    # A camera that no longer exists when the topics are read again, and a session that ended long
    # ago.
    broker.append(Outgoing(CAMERA_STATUS, b"demo/north", None))
    broker.append(record(session("demo", 1, "closed")))
    await tail.start(log, feed)
    assert feed.ready
    assert (feed.state.statuses, feed.state.open_sessions) == ({}, {})
    assert feed.state.slots["demo", "A1"].version == 2
    assert all(feed.positions[p] == end for p, (_, end) in (await log.bounds(SESSIONS)).items())


async def test_a_client_waiting_for_the_snapshot_gets_it_though_nothing_follows():
    broker = MemoryBroker()
    broker.append(record(layout("demo")))
    log = MemoryLog(broker)
    feed = Feed(log, ManualClock(), Limits())
    waiting = asyncio.ensure_future(feed.until(lambda: "demo/north" in feed.state.layouts))
    await asyncio.sleep(0)
    await tail.start(log, feed)
    await asyncio.wait_for(waiting, 5)
