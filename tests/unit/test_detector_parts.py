"""A long batch is reported as it is processed: no detection waits for the last camera's."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial

from parking.core.errors import Retryable
from parking.core.events import DetectionMade
from parking.core.topics import DEAD_LETTERS_FRAMES, DETECTIONS, FRAMES
from parking.runtime.memory import ManualClock, MemoryBroker, MemoryConsumer, MemoryProducer
from parking.runtime.runner import Polling, run, write
from parking.vision.imagehealth import Thresholds
from parking.wire import codec
from parking.wire.ports import Outgoing
from services.detector.adapters import ModelThread
from services.detector.analysis import Job, Options
from services.detector.handler import TELL_EVERY_MS, Tools, handle_frames
from tests.support.detector_tools import (
    BROKEN,
    EMPTY,
    WhiteDetector,
    analyser,
    detections,
    frame,
    layout,
    reasons,
    record,
    tools,
)

CAMERAS = [f"demo/c{n}" for n in range(6)]


class LastView(WhiteDetector):
    """Searches a picture only when the test allows it."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)

    def _one(self, image):
        self.begun.release()
        assert self.go_on.acquire(timeout=20)
        return super()._one(image)


class Passing(ManualClock):
    """A clock by which each picture takes long enough to be reported by itself."""

    def now_ms(self) -> int:
        self.advance(TELL_EVERY_MS)
        return super().now_ms()


@asynccontextmanager
async def on_a_thread(detector: WhiteDetector) -> AsyncIterator[Tools]:
    model = ModelThread(analyser(detector).each)
    try:
        yield replace(tools(), analyse=model.each, clock=Passing())
    finally:
        model.close()
    assert model.waiting == 0


def records():
    return [record(frame(EMPTY, 1, camera), n) for n, camera in enumerate(CAMERAS)]


async def test_each_is_reported_while_the_next_is_searched():
    detector = LastView()
    written: asyncio.Queue[list[Outgoing]] = asyncio.Queue(len(CAMERAS))
    async with on_a_thread(detector) as using:
        handled = asyncio.ensure_future(handle_frames(records(), using, written.put))
        for camera in CAMERAS:
            detector.go_on.release()
            async with asyncio.timeout(20):
                (event,) = detections(await written.get())
            assert event.camera_id == camera
            assert written.empty()
        assert await handled == []


async def test_the_next_is_searched_while_one_is_being_reported():
    detector, slow = LastView(), asyncio.Event()

    async def tell(_: list[Outgoing]) -> None:
        await slow.wait()

    async with on_a_thread(detector) as using:
        handled = asyncio.ensure_future(handle_frames(records(), using, tell))
        for _ in CAMERAS:
            detector.go_on.release()
        for _ in range(2):
            assert await asyncio.to_thread(detector.begun.acquire, timeout=20)
        assert not handled.done()
        assert not await asyncio.to_thread(detector.begun.acquire, timeout=0.2), "one ahead only"
        slow.set()
        await handled


async def test_closing_it_stops_it_after_the_current_one():
    detector = LastView()
    for _ in CAMERAS:
        detector.go_on.release()
    model = ModelThread(analyser(detector).each)
    jobs = [Job(EMPTY, camera) for camera in CAMERAS]
    async with aclosing(model.each(jobs, {})) as results:
        await anext(results)
    assert len(await model.analyse(jobs[:1], {})) == 1
    assert model.waiting == 0
    assert len(detector.sizes_px) <= 3
    model.close()


async def test_pictures_that_take_no_time_share_a_write():
    parts: list[list[Outgoing]] = []

    async def tell(part: list[Outgoing]) -> None:
        parts.append(part)

    left = await handle_frames(records(), tools(), tell)
    assert (len(left), parts) == (len(CAMERAS), [])


async def test_dead_letters_are_reported_too_and_without_a_listener_all_is_returned():
    sent = [frame(b"", 1, "demo/a"), frame(BROKEN, 2, "demo/b"), frame(EMPTY, 3, "demo/b")]
    batch = [record(one, n) for n, one in enumerate([*sent, frame(BROKEN, 4, "demo/b")])]
    parts: list[list[Outgoing]] = []

    async def tell(part: list[Outgoing]) -> None:
        parts.append(part)

    assert await handle_frames(batch, replace(tools(), clock=Passing()), tell) == []
    whole = await handle_frames(batch, tools())
    assert [message.key for part in parts for message in part] == [m.key for m in whole]
    assert [len(part) for part in parts] == [2, 1]
    assert sorted(reasons(whole)) == ["empty", "undecodable"]
    assert await handle_frames(batch[:1], tools(), tell) != [], "nothing was made: it is returned"


class Failing(MemoryProducer):
    """Fails at these of its writes, as in an outage."""

    def __init__(self, broker: MemoryBroker, *failing: int) -> None:
        super().__init__(broker)
        self.writes = 0
        self._failing = failing

    async def send(self, messages):
        self.writes += 1
        if self.writes in self._failing:
            raise Retryable("away")
        return await super().send(messages)


async def test_an_outage_in_the_middle_of_a_batch_tells_the_same_again_and_commits_after():
    broker, stop = MemoryBroker(), asyncio.Event()
    for n in range(12):
        broker.append(frame(EMPTY if n != 7 else BROKEN, n))
    place = broker.places([FRAMES])[0]
    committed: list[int] = []

    class Producer(Failing):
        async def send(self, messages):
            committed.append(broker.committed("detector", *place))
            return await super().send(messages)

    class Consumer(MemoryConsumer):
        async def getmany(self, timeout_ms, max_records):
            found = await super().getmany(timeout_ms, max_records)
            if not found:
                stop.set()
            return found

    # Frozen once a picture was repeated 12 times: one more than here, unless redelivery counted.
    using = tools(layout(), skip=False, options=Options(health=Thresholds(frozen_after=12)))
    using.clock, clock, producer = Passing(), ManualClock(), Producer(broker, 4, 6)
    handle = partial(handle_frames, tools=using, tell=partial(write, producer, clock))
    consumer = Consumer(broker, "detector", FRAMES)
    await run(consumer, handle, producer, clock, stop, Polling(6, 1))

    events = [codec.from_json(r.value or b"", DetectionMade) for r in broker.records(DETECTIONS)]
    ids = [event.id for event in events]
    firsts = list(dict.fromkeys(ids))
    assert firsts == [f"demo/north/1/{n}" for n in range(12) if n != 7]
    assert len(ids) > len(firsts), "some were reported twice"
    assert {event.health.status for event in events} == {"ok"}
    assert len(broker.records(DEAD_LETTERS_FRAMES)) == 1
    assert broker.committed("detector", *place) == 12
    assert set(committed) == {0, 6}
