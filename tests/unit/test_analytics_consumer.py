"""How analytics' consumer fetches and seeks where faust alone would lose records."""

import asyncio
from typing import Any

from faust.types import TP

from parking.core.topics import ANALYTICS_CHANGELOG, CAMERA_STATUS, SESSIONS, SLOT_CHANGES
from services.analytics.consumer import Consumer, seek_back

CHANGES, PASSAGES = TP(SLOT_CHANGES, 0), TP(SESSIONS, 0)
STATUS, TABLE = TP(CAMERA_STATUS, 0), TP(ANALYTICS_CHANGELOG, 0)


class Committed:
    """aiokafka's consumer with these committed offsets."""

    def __init__(self, offsets: dict[TP, int | None]) -> None:
        self.offsets = offsets
        self.rewound: set[TP] = set()

    async def seek_to_committed(self) -> dict[TP, int | None]:
        return self.offsets

    async def seek_to_beginning(self, *places: TP) -> None:
        self.rewound |= set(places)


def test_an_input_without_a_commit_is_read_from_its_beginning() -> None:
    kafka = Committed({CHANGES: 7, PASSAGES: None, STATUS: 0, TABLE: None})
    assert asyncio.run(seek_back(kafka)) == kafka.offsets
    assert kafka.rewound == {PASSAGES, STATUS}, "not the table: it has a place of its own"


def test_nothing_is_rewound_if_all_was_committed() -> None:
    kafka = Committed({CHANGES: 7, TABLE: None})
    asyncio.run(seek_back(kafka))
    assert kafka.rewound == set()


class Thread:
    """faust's consumer thread: what was requested from it, and when it may answer."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.answer = asyncio.Event()

    async def getmany(self, active: Any, _: float) -> dict[TP, list[Any]]:
        self.asked.append(active)
        await self.answer.wait()
        return {}

    async def seek_to_committed(self) -> dict[TP, int]:
        self.asked.append("seek")
        await self.answer.wait()
        return {CHANGES: 7}


class Alone(Consumer):
    """The consumer without the app around it."""

    def __init__(self, thread: Thread) -> None:
        self._thread: Any = thread
        self._fetch_or_seek = asyncio.Lock()
        self._read_offset, self._committed_offset = {}, {}

    async def fetch(self, active: set[TP]) -> Any:
        return await self._getmany(active, 1.0)

    def next_offset(self, place: TP) -> int | None:
        return self._read_offset[place]


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_fetch_keeps_the_partitions_that_were_active_when_it_began() -> None:
    consumer = Alone(thread := Thread())
    active = {TABLE}
    fetch = asyncio.create_task(consumer.fetch(active))
    await settled()
    active.clear()  # faust, once the table is restored
    assert thread.asked == [{TABLE}]
    thread.answer.set()
    assert await fetch == {}


async def test_from_no_partition_nothing_is_fetched() -> None:
    consumer = Alone(thread := Thread())
    assert await consumer.fetch(set()) == {}
    assert thread.asked == []


async def test_nothing_is_fetched_until_a_seek_has_set_the_place_to_read_on() -> None:
    consumer = Alone(thread := Thread())
    seek = asyncio.create_task(consumer.perform_seek())
    await settled()
    fetch = asyncio.create_task(consumer.fetch({CHANGES}))
    await settled()
    assert thread.asked == ["seek"]
    thread.answer.set()
    await asyncio.gather(seek, fetch)
    assert thread.asked == ["seek", {CHANGES}]
    assert consumer.next_offset(CHANGES) == 7


async def test_a_seek_waits_for_the_fetch_in_progress() -> None:
    consumer = Alone(thread := Thread())
    fetch = asyncio.create_task(consumer.fetch({CHANGES}))
    await settled()
    seek = asyncio.create_task(consumer.perform_seek())
    await settled()
    assert thread.asked == [{CHANGES}]
    thread.answer.set()
    await asyncio.gather(seek, fetch)
    assert thread.asked == [{CHANGES}, "seek"]
